#!/usr/bin/env python3
"""Writes .npy files of many types and orders as numpy does; prints a JSON line for each with path, type, shape and
the elements as numbers in C order. usage: npy_files.py FOLDER"""
import json
import pathlib
import sys

import numpy as np

TYPES = {"<f2": "float16", "<f4": "float", ">f4": "float", "<f8": "double", "|i1": "int8", "<i2": "int16",
         ">i2": "int16", "<i4": "int32", "<i8": "int64", ">i8": "int64", "|u1": "uint8", "<u2": "uint16",
         "<u4": "uint32", "<u8": "uint64", "|b1": "bool"}


def main():
    folder = pathlib.Path(sys.argv[1])
    generator = np.random.default_rng(7)
    for number, (dtype, name) in enumerate(TYPES.items()):
        for shape in ((), (0,), (3,), (2, 3), (2, 3, 4)):
            values = generator.integers(0, 2 if dtype == "|b1" else 100, shape)
            for order in "CF":
                for version in ((1, 0), (2, 0), (3, 0)):
                    array = np.asarray(values, dtype=dtype, order=order)
                    path = folder / f"{number}-{len(shape)}-{0 in shape}-{order}-{version[0]}.npy"
                    with open(path, "wb") as file:
                        np.lib.format.write_array(file, array, version=version)
                    print(json.dumps({"path": str(path), "type": name, "shape": list(shape),
                                      "values": [float(v) for v in array.ravel(order="C")]}))


main()
