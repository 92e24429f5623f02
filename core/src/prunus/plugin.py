"""The one import of people who extend prunus: formats, methods, trainers, engines, commands.

Everything a plugin needs is a name of this module or of `prunus.testing`; all other modules are
private. Names are imported when they are used, so that registering a plugin costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from prunus.analysis.analysis import (
        Analysis as Analysis,
    )
    from prunus.analysis.journal import (
        Journal as Journal,
    )
    from prunus.analysis.measure import (
        DEFAULT_RATIOS as DEFAULT_RATIOS,
    )
    from prunus.cli import (
        run as run,
    )
    from prunus.cli.options import (
        network_options as network_options,
        settings_from as settings_from,
    )
    from prunus.cli.progress import (
        counting as counting,
    )
    from prunus.cli.render import (
        notes as notes,
        show as show,
    )
    from prunus.cli.tables import (
        new_console as new_console,
        new_table as new_table,
    )
    from prunus.compaction import compact as _compact
    from prunus.compaction.compact import take as take
    from prunus.descriptors import (
        Criterion as Criterion,
        Descriptor as Descriptor,
        Engine as Engine,
        Format as Format,
        NamedMetric as NamedMetric,
        Policy as Policy,
        Sharing as Sharing,
        Trainer as Trainer,
    )
    from prunus.engines.running import (
        Running as Running,
        Sample as Sample,
    )
    from prunus.errors import (
        DataError as DataError,
        ModelError as ModelError,
        NoSamplesError as NoSamplesError,
        PlanError as PlanError,
        PluginError as PluginError,
        ProofError as ProofError,
        PrunusError as PrunusError,
        StaleError as StaleError,
        UsageError as UsageError,
    )
    from prunus.evaluation.agreement import (
        Agreement as Agreement,
    )
    from prunus.evaluation.contents import (
        contents_digest as contents_digest,
    )
    from prunus.evaluation.data import (
        ArrayDataset as ArrayDataset,
        open_data as open_data,
    )
    from prunus.evaluation.decoding import (
        decode as decode,
    )
    from prunus.evaluation.evaluator import (
        Evaluator as Evaluator,
    )
    from prunus.evaluation.metrics import (
        Fidelity as Fidelity,
        Top as Top,
        mean_of as mean_of,
    )
    from prunus.evaluation.random_inputs import (
        random_inputs as random_inputs,
    )
    from prunus.evaluation.session import (
        Session as Session,
    )
    from prunus.folding import (
        fold as fold,
    )
    from prunus.formats.child import (
        answer_as_child as answer_as_child,
        damage_of as damage_of,
    )
    from prunus.formats.hdf5 import (
        check_hdf5 as check_hdf5,
    )
    from prunus.formats.onnx_read import network_of as _network_of
    from prunus.formats.protobuf_text import (
        encode_text as encode_text,
        parse_protobuf_text as parse_protobuf_text,
        read_protobuf_text as read_protobuf_text,
    )
    from prunus.formats.text_document import (
        TextBlock as TextBlock,
        TextDocument as TextDocument,
        TextEdit as TextEdit,
        TextField as TextField,
        TextScalar as TextScalar,
    )
    from prunus.gradients import (
        Derivatives as Derivatives,
        Gradients as Gradients,
        Products as Products,
    )
    from prunus.graph.builder import (
        GraphBuilder as GraphBuilder,
    )
    from prunus.graph.digest import (
        structure_digest as structure_digest,
        weights_digest as weights_digest,
    )
    from prunus.graph.macs import (
        CostModel as CostModel,
    )
    from prunus.graph.shapes import (
        infer_shapes as infer_shapes,
    )
    from prunus.grouping import (
        find_groups as find_groups,
    )
    from prunus.groups import (
        Group as Group,
        Member as Member,
        Protected as Protected,
    )
    from prunus.hookspecs import (
        hookimpl as hookimpl,
    )
    from prunus.host import (
        Host as Host,
        start as start,
    )
    from prunus.interrupt import (
        deferred as deferred,
    )
    from prunus.masking import (
        mask as mask,
    )
    from prunus.memory import (
        check_room as check_room,
    )
    from prunus.network import (
        Binding as Binding,
        Compact as Compact,
        Destination as Destination,
        Network as Network,
        Source as Source,
        TaskNames as TaskNames,
        Written as Written,
    )
    from prunus.planning.budget import (
        Budget as Budget,
        Planning as Planning,
        PlanTrials as PlanTrials,
    )
    from prunus.planning.scores import (
        DEFAULT_CRITERION as DEFAULT_CRITERION,
        scores_of as scores_of,
    )
    from prunus.proof.difference import (
        relative_error as relative_error,
    )
    from prunus.ranges import (
        COUNT as COUNT,
        COUNT_OR_NONE as COUNT_OR_NONE,
        FINITE as FINITE,
        NOT_NEGATIVE as NOT_NEGATIVE,
        POSITIVE as POSITIVE,
        SHARE as SHARE,
        SHARE_BELOW_ONE as SHARE_BELOW_ONE,
        Range as Range,
    )
    from prunus.regular_files import (
        check_regular as check_regular,
        read_regular as read_regular,
    )
    from prunus.selection import (
        choose_units as choose_units,
    )
    from prunus.sensitivity import (
        Curve as Curve,
        Point as Point,
        Sensitivity as Sensitivity,
    )
    from prunus.settings import (
        Settings as Settings,
    )
    from prunus.steps.analyze import analyze as _analyze
    from prunus.steps.analyze_parts import (
        spread as spread,
    )
    from prunus.steps.inspect import (
        statistics as statistics,
    )
    from prunus.steps.loaded import (
        Loaded as Loaded,
        evaluation_data as evaluation_data,
        evaluator_for as evaluator_for,
        load as _load,
    )
    from prunus.steps.prune import (
        Pruned as Pruned,
        prune as _prune,
    )
    from prunus.steps.report import (
        Report as Report,
    )
    from prunus.steps.transform import transform as _transform
    from prunus.steps.workspace import (
        Workspace as Workspace,
        workspace_of as workspace_of,
    )
    from prunus.storage.files import (
        make_directory as make_directory,
        read_json as read_json,
        write_json as write_json,
    )
    from prunus.storage.staging import (
        staged as staged,
    )
    from prunus.task import (
        AnswerDistance as AnswerDistance,
        Array as Array,
        Batch as Batch,
        Dataset as Dataset,
        LearningRate as LearningRate,
        Loss as Loss,
        Measurement as Measurement,
        Metric as Metric,
        PlaceFinder as PlaceFinder,
        Preprocessing as Preprocessing,
        Recipe as Recipe,
        Task as Task,
        TruthMaker as TruthMaker,
    )
    from prunus.training import (
        Progress as Progress,
        TrainingJob as TrainingJob,
        Weights as Weights,
    )
    from prunus.training.digests import (
        job_digests as job_digests,
        joined as joined,
    )
    from prunus.training.divergence import (
        check_loss as check_loss,
    )
    from prunus.training.loop import (
        TrainingLoop as TrainingLoop,
    )
    from prunus.training.scatter import (
        scatter as scatter,
    )
    from prunus.training.snapshots import (
        Snapshot as Snapshot,
        Snapshots as Snapshots,
    )
    from prunus.training.stream import (
        pass_seed as pass_seed,
        read_pass as read_pass,
        sample_positions as sample_positions,
    )

    analyze_step, prune_step, transform_step = _analyze, _prune, _transform
    compact_graph, load_from_settings, network_from_onnx = _compact, _load, _network_of

_HOMES = {
    # hooks and descriptors
    "prunus.hookspecs": "hookimpl",
    "prunus.descriptors": "Criterion Descriptor Engine Format NamedMetric Policy Sharing Trainer",
    "prunus.engines.running": "Running Sample",
    # networks and their files
    "prunus.network": "Binding Compact Destination Network Source TaskNames Written",
    "prunus.settings": "Settings",
    "prunus.groups": "Group Member Protected",
    "prunus.graph.builder": "GraphBuilder",
    "prunus.formats.onnx_read": "network_from_onnx=network_of",
    "prunus.formats.protobuf_text": "encode_text parse_protobuf_text read_protobuf_text",
    "prunus.formats.text_document": "TextBlock TextDocument TextEdit TextField TextScalar",
    "prunus.graph.macs": "CostModel",
    "prunus.graph.shapes": "infer_shapes",
    "prunus.graph.digest": "structure_digest weights_digest",
    # samples, metrics, running a graph
    "prunus.task": (
        "AnswerDistance Array Batch Dataset LearningRate Loss Measurement Metric PlaceFinder "
        "Preprocessing Recipe Task TruthMaker "
    ),
    "prunus.evaluation.agreement": "Agreement",
    "prunus.evaluation.contents": "contents_digest",
    "prunus.evaluation.data": "ArrayDataset open_data",
    "prunus.evaluation.decoding": "decode",
    "prunus.evaluation.evaluator": "Evaluator",
    "prunus.evaluation.metrics": "Fidelity Top mean_of",
    "prunus.evaluation.random_inputs": "random_inputs",
    "prunus.evaluation.session": "Session",
    # analysis and planning
    "prunus.gradients": "Derivatives Gradients Products",
    "prunus.analysis.analysis": "Analysis",
    "prunus.analysis.measure": "DEFAULT_RATIOS",
    "prunus.planning.scores": "DEFAULT_CRITERION scores_of",
    "prunus.analysis.journal": "Journal",
    "prunus.planning.budget": "Budget PlanTrials Planning",
    "prunus.selection": "choose_units",
    "prunus.grouping": "find_groups",
    "prunus.folding": "fold",
    "prunus.masking": "mask",
    "prunus.compaction": "compact_graph=compact",
    "prunus.compaction.compact": "take",
    "prunus.proof.difference": "relative_error",
    "prunus.sensitivity": "Curve Point Sensitivity",
    # training
    "prunus.interrupt": "deferred",
    "prunus.training": "Progress TrainingJob Weights",
    "prunus.training.divergence": "check_loss",
    "prunus.training.digests": "job_digests joined",
    "prunus.training.loop": "TrainingLoop",
    "prunus.training.scatter": "scatter",
    "prunus.training.snapshots": "Snapshot Snapshots",
    "prunus.training.stream": "pass_seed read_pass sample_positions",
    # errors, and files that are damaged or hostile
    "prunus.errors": (
        "DataError ModelError NoSamplesError PlanError PluginError ProofError PrunusError "
        "StaleError UsageError "
    ),
    "prunus.formats.child": "answer_as_child damage_of",
    "prunus.formats.hdf5": "check_hdf5",
    "prunus.ranges": (
        "COUNT COUNT_OR_NONE FINITE NOT_NEGATIVE POSITIVE Range SHARE SHARE_BELOW_ONE "
    ),
    "prunus.regular_files": "check_regular read_regular",
    "prunus.memory": "check_room",
    "prunus.storage.files": "make_directory read_json write_json",
    "prunus.storage.staging": "staged",
    # commands of a plugin
    "prunus.steps.loaded": "Loaded evaluation_data evaluator_for load_from_settings=load",
    "prunus.steps.inspect": "statistics",
    "prunus.steps.analyze": "analyze_step=analyze",
    "prunus.steps.analyze_parts": "spread",
    "prunus.steps.prune": "Pruned prune_step=prune",
    "prunus.steps.transform": "transform_step=transform",
    "prunus.steps.report": "Report",
    "prunus.steps.workspace": "Workspace workspace_of",
    "prunus.cli": "run",
    "prunus.cli.options": "network_options settings_from",
    "prunus.cli.progress": "counting",
    "prunus.cli.render": "notes show",
    "prunus.cli.tables": "new_console new_table",
    "prunus.host": "Host start",
}
"""Module -> its public names; ``public=own`` where the own name means another thing in `prunus`."""

_HOME = {
    name.partition("=")[0]: (module, name.rpartition("=")[2])
    for module, names in _HOMES.items()
    for name in names.split()
}
"""Public name -> its module and its name there."""

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        module, own = _HOME[name]
        return getattr(import_module(module), own)
    raise AttributeError(f"module 'prunus.plugin' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
