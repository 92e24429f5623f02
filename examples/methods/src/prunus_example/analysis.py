"""Analysis ``masked``: every trial as the original structure with weights of zero."""

from prunus.plugin import Curve, Point, Policy, Sensitivity, hookimpl


@hookimpl
def prunus_register():
    return (Policy("masked", "every trial measured with its channels set to zero", "analyze"),)


@hookimpl
def prunus_analyze(policy, network, analysis):
    from prunus.plugin import mask

    groups = analysis.grouping.groups
    trials = {group.name: analysis.trials(group) for group in groups}
    total, count = sum(map(len, trials.values())), 0
    done = analysis.journal.start()  # what a killed run measured
    curves = []
    for group in groups:
        points = []
        for ratio, keep in trials[group.name]:
            piece = f"{group.name}|{ratio}"
            if piece not in done:
                masked = mask(network, analysis.grouping, {group.name: keep})
                found = analysis.evaluator.measure(masked.model)
                done[piece] = [found.value, found.error]
                analysis.journal.write(piece, done[piece])
            points.append(Point(ratio, int(keep.sum()), *done[piece]))
            count += 1
            analysis.report(count, total)
        curves.append(Curve(group.name, group.size, tuple(points)))
    evaluator = analysis.evaluator
    metric = evaluator.metric
    return Sensitivity(
        metric.name, metric.higher_is_better, evaluator.baseline, tuple(curves), analysis.key
    )
