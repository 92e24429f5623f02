"""Our table of messages against the one inside real Caffe."""

from __future__ import annotations

import json
import subprocess

import pytest

from prunus_caffe.schema import descriptor, message

DUMP = """
import json, os
os.environ["GLOG_minloglevel"] = "2"
from caffe.proto import caffe_pb2
print(json.dumps({
    name: {f.name: [f.number, f.type, f.label, f.GetOptions().packed, str(f.default_value)]
           for f in m.fields}
    for name, m in caffe_pb2.DESCRIPTOR.message_types_by_name.items()}))
"""
# of the wheel's own branch, whose numbers are SSD's elsewhere
BRANCH = {
    "ctc_loss_param", "continuation_indicator_param", "labelsequence_accuracy_param", "reverse_param"
}  # fmt: skip


@pytest.mark.caffe
def test_numbers_types_and_defaults_are_caffes(caffe: str) -> None:
    done = subprocess.run([caffe, "-c", DUMP], capture_output=True, text=True, check=True)
    theirs = json.loads(done.stdout.splitlines()[-1])
    compared = 0
    for name, fields in theirs.items():
        try:
            ours = descriptor(name).fields_by_name
        except KeyError:
            continue
        for field, (number, kind, label, packed, default) in fields.items():
            if field in BRANCH or (name == "V1LayerParameter" and field == "layer"):
                continue
            mine = ours[field]
            assert (mine.number, mine.type) == (number, kind), (name, field)
            assert mine.is_repeated is (label == 3), (name, field)
            assert mine.GetOptions().packed == packed, (name, field)
            if kind != 11:
                assert str(mine.default_value) == default, (name, field)
            compared += 1
    assert compared > 380


@pytest.mark.parametrize(
    ("field", "number"),
    [("permute_param", 202), ("prior_box_param", 203), ("detection_output_param", 204),
     ("norm_param", 206), ("annotated_data_param", 200), ("multibox_loss_param", 201)],
)  # fmt: skip
def test_numbers_of_the_ssd_line(field: str, number: int) -> None:
    assert descriptor("LayerParameter").fields_by_name[field].number == number


def test_unknown_fields_survive_a_round_trip() -> None:
    data = b"\x0a\x01n\xfa\x7f\x03abc"
    assert message("NetParameter").FromString(data).SerializeToString() == data
