"""Writes the NumPy files in tests/data that tests/formats.rs reads.

    python make_numpy_files.py        # needs numpy; made with numpy 2.4

`stored.npz` and `deflated.npz` hold the numbers 0 to 5 as a 2x3 array of every type that is read, and one of them in Fortran
order. Running the script again changes only the dates in the archives.
"""
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parent / 'data'

if __name__ == '__main__':
    whole = np.arange(6).reshape(2, 3)
    arrays = {np.dtype(t).name: whole.astype(t) for t in ['i1', 'u1', 'i2', 'u2', 'f2', 'i4', 'u4', 'f4', 'i8', 'u8', 'f8']}
    arrays['bool'] = whole > 2
    arrays['fortran'] = np.asfortranarray(whole.astype('f4'))
    arrays['scalar'] = np.float32(0.5)
    arrays['empty'] = np.zeros((0, 3), 'f8')
    np.savez(DATA / 'stored.npz', **arrays)
    np.savez_compressed(DATA / 'deflated.npz', **arrays)
    with open(DATA / 'version2.npy', 'wb') as file:
        np.lib.format.write_array(file, whole.astype('f4'), version=(2, 0))
