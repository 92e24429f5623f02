"""The door of plugin authors: frozen names, and the imports of our own plugins."""

from __future__ import annotations

import ast
from pathlib import Path

import prunus.plugin as door

ROOT = Path(__file__).parents[1]
PLUGINS = (
    "plugins/caffe",
    "plugins/darknet",
    "plugins/engines",
    "plugins/tensorflow",
    "plugins/torch",
    "tests/sample_plugin",
)
PUBLIC = ("prunus", "prunus.plugin", "prunus.testing")

NAMES = """
Agreement Analysis AnswerDistance Array ArrayDataset Batch Binding Budget COUNT COUNT_OR_NONE Compact CostModel Criterion
Curve DEFAULT_CRITERION DEFAULT_RATIOS DataError Dataset Derivatives Descriptor Destination Engine Evaluator FINITE
Fidelity Format Gradients GraphBuilder Group Host Journal LearningRate Loaded Loss Measurement Member Metric
ModelError NOT_NEGATIVE NamedMetric Network NoSamplesError POSITIVE PlaceFinder PlanError PlanTrials Planning PluginError
Point Policy Preprocessing Products Progress ProofError Protected Pruned PrunusError Range Recipe Report
Running SHARE SHARE_BELOW_ONE Sample Sensitivity Session Settings Sharing Snapshot Snapshots Source StaleError Task
TaskNames TextBlock TextDocument TextEdit TextField TextScalar Top Trainer TrainingJob TrainingLoop
TruthMaker UsageError Weights Workspace Written analyze_step answer_as_child check_hdf5 check_loss
check_regular check_room choose_units compact_graph contents_digest counting damage_of decode
deferred encode_text evaluation_data evaluator_for find_groups fold hookimpl infer_shapes
job_digests joined load_from_settings make_directory mask mean_of network_from_onnx network_options new_console
new_table notes open_data parse_protobuf_text pass_seed prune_step random_inputs read_json
read_pass read_protobuf_text read_regular relative_error run sample_positions scatter scores_of settings_from show
spread staged start statistics structure_digest take transform_step weights_digest workspace_of
write_json
""".split()


def test_the_names_are_frozen():
    assert door.__all__ == NAMES
    assert all(getattr(door, name) is not None for name in NAMES)


def test_type_checkers_see_the_same_names():
    tree = ast.parse(Path(door.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.asname: (node.module, alias.name)
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    for node in block.body:
        if isinstance(node, ast.Assign):
            (targets,) = node.targets
            for public, own in zip(targets.elts, node.value.elts, strict=True):
                seen[public.id] = seen.pop(own.id)
    assert seen == door._HOME


def test_no_name_means_something_else_in_prunus():
    import prunus

    both = set(door.__all__) & set(prunus.__all__)
    assert {name for name in both if getattr(door, name) is not getattr(prunus, name)} == set()


def test_plugins_import_through_the_door():
    found = {}
    for folder in PLUGINS:
        source = ROOT / folder / "src"
        for path in sorted((source if source.is_dir() else ROOT / folder).rglob("*.py")):
            private = {module for module in imported(path) if not public(module)}
            if private:
                found[str(path.relative_to(ROOT))] = " ".join(sorted(private))
    assert found == {}


def public(module: str) -> bool:
    return module in PUBLIC or module.startswith("prunus.testing.")


def imported(path: Path) -> set[str]:
    """Modules of the core that a file imports."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and node.level == 0:
            names.add(node.module)
    return {name for name in names if name == "prunus" or name.startswith("prunus.")}
