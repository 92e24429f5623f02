"""The answer to ``prunus`` alone: four steps and one example."""

from __future__ import annotations

TEXT = """\
prunus makes trained networks smaller, in their own framework's files.

  1. ana        measures how much each group of channels matters
  2. prune      chooses channels for a rate or a loss, and masks them
  3. finetune   recovers accuracy with the masks held
  4. transform  removes the channels for real, proven equal

For example:

  prunus ana       --workspace ws --model net.onnx --data test.npz
  prunus prune     --workspace ws --model net.onnx --data test.npz --rate 50%
  prunus finetune  --workspace ws --train-data train.npz
  prunus transform --workspace ws --output smaller

A first look, without files of your own:  prunus demo
All commands:                             prunus --help
Installed parts, and missing ones:        prunus doctor"""
