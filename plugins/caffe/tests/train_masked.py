"""Runs in the interpreter of real Caffe: trains the whole masked net, masks held after each update.

Usage: python train_masked.py SOLVER WEIGHTS ITERATIONS RESULT
"""

import sys

import caffe


def main(solver, weights, iterations, result):
    caffe.set_mode_cpu()
    chosen = caffe.get_solver(solver)
    chosen.net.copy_from(weights)
    masks = [(blob, blob.data != 0) for blobs in chosen.net.params.values() for blob in blobs]
    for _ in range(int(iterations)):
        chosen.step(1)
        for blob, mask in masks:
            blob.data[...] *= mask
    chosen.net.save(result)


if __name__ == "__main__":
    main(*sys.argv[1:])
