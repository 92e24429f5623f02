"""The one import of people who extend prunus: formats, criteria, policies, trainers, commands.

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
    from prunus.cli.render import (
        counting as counting,
        new_console as new_console,
        new_table as new_table,
        notes as notes,
        show as show,
    )
    from prunus.compaction import (
        compact as compact,
    )
    from prunus.descriptors import (
        Criterion as Criterion,
        Descriptor as Descriptor,
        Format as Format,
        NamedMetric as NamedMetric,
        Policy as Policy,
        Trainer as Trainer,
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
    from prunus.evaluation.session import (
        Session as Session,
        random_inputs as random_inputs,
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
    from prunus.network import (
        Binding as Binding,
        Compact as Compact,
        Destination as Destination,
        Network as Network,
        Source as Source,
        Written as Written,
    )
    from prunus.planning.budget import (
        Budget as Budget,
        Planning as Planning,
    )
    from prunus.planning.scores import (
        DEFAULT_CRITERION as DEFAULT_CRITERION,
        scores_of as scores_of,
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
    from prunus.regular import (
        check_regular as check_regular,
        read_regular as read_regular,
    )
    from prunus.room import (
        check_room as check_room,
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
    from prunus.steps.analyze import (
        analyze as analyze,
    )
    from prunus.steps.inspect import (
        statistics as statistics,
    )
    from prunus.steps.loaded import (
        Loaded as Loaded,
        evaluation_data as evaluation_data,
        evaluator_for as evaluator_for,
        load as load,
    )
    from prunus.steps.prune import (
        Pruned as Pruned,
        prune as prune,
    )
    from prunus.steps.report import (
        Report as Report,
    )
    from prunus.steps.transform import (
        transform as transform,
    )
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
        Array as Array,
        Batch as Batch,
        Dataset as Dataset,
        LearningRate as LearningRate,
        Loss as Loss,
        Measurement as Measurement,
        Metric as Metric,
        Preprocessing as Preprocessing,
        Recipe as Recipe,
        Task as Task,
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

_HOMES = {
    # hooks and descriptors
    "prunus.hookspecs": "hookimpl",
    "prunus.descriptors": "Criterion Descriptor Format NamedMetric Policy Trainer",
    # networks and their files
    "prunus.network": "Binding Compact Destination Network Source Written",
    "prunus.settings": "Settings",
    "prunus.groups": "Group Member Protected",
    "prunus.graph.builder": "GraphBuilder",
    "prunus.formats.protobuf_text": "encode_text parse_protobuf_text read_protobuf_text",
    "prunus.formats.text_document": "TextBlock TextDocument TextEdit TextField TextScalar",
    "prunus.graph.macs": "CostModel",
    "prunus.graph.shapes": "infer_shapes",
    "prunus.graph.digest": "structure_digest weights_digest",
    # samples, metrics, running a graph
    "prunus.task": (
        "Array Batch Dataset LearningRate Loss Measurement Metric Preprocessing Recipe Task "
    ),
    "prunus.evaluation.contents": "contents_digest",
    "prunus.evaluation.data": "ArrayDataset open_data",
    "prunus.evaluation.decoding": "decode",
    "prunus.evaluation.evaluator": "Evaluator",
    "prunus.evaluation.metrics": "Fidelity Top mean_of",
    "prunus.evaluation.session": "Session random_inputs",
    # analysis and planning
    "prunus.analysis.analysis": "Analysis",
    "prunus.analysis.measure": "DEFAULT_RATIOS",
    "prunus.planning.scores": "DEFAULT_CRITERION scores_of",
    "prunus.analysis.journal": "Journal",
    "prunus.planning.budget": "Budget Planning",
    "prunus.selection": "choose_units",
    "prunus.grouping": "find_groups",
    "prunus.folding": "fold",
    "prunus.masking": "mask",
    "prunus.compaction": "compact",
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
    "prunus.regular": "check_regular read_regular",
    "prunus.room": "check_room",
    "prunus.storage.files": "make_directory read_json write_json",
    "prunus.storage.staging": "staged",
    # commands of a plugin
    "prunus.steps.loaded": "Loaded evaluation_data evaluator_for load",
    "prunus.steps.inspect": "statistics",
    "prunus.steps.analyze": "analyze",
    "prunus.steps.prune": "Pruned prune",
    "prunus.steps.transform": "transform",
    "prunus.steps.report": "Report",
    "prunus.steps.workspace": "Workspace workspace_of",
    "prunus.cli": "run",
    "prunus.cli.options": "network_options settings_from",
    "prunus.cli.render": "counting new_console new_table notes show",
    "prunus.host": "Host start",
}
"""Module -> its public names."""

_HOME = {name: module for module, names in _HOMES.items() for name in names.split()}

__all__ = sorted(_HOME)


def __getattr__(name: str) -> Any:
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'prunus.plugin' has no attribute '{name}'")


def __dir__() -> list[str]:
    return __all__
