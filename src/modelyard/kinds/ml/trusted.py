"""What a serialized scikit-learn, XGBoost or LightGBM model may import: an allow-list, with names that are never allowed.

A pickle does whatever its imports let it do, so every import must be known here (or named in `Policy.trusted_types`) and
must not be one of the dangerous ones, which no policy lifts.
"""

from __future__ import annotations

import re

_CLASS = re.compile(r"_?[A-Z][A-Za-z0-9_]*\Z")
_PYX = re.compile(r"__pyx_unpickle_[A-Z]\w*\Z")

_ROOTS_NEVER = frozenset(
    [
        "os",
        "posix",
        "nt",
        "posixpath",
        "ntpath",
        "subprocess",
        "sys",
        "shutil",
        "socket",
        "importlib",
        "runpy",
        "ctypes",
        "cffi",
        "pickle",
        "_pickle",
        "cPickle",
        "marshal",
        "shelve",
        "code",
        "codeop",
        "webbrowser",
        "pty",
        "asyncio",
        "multiprocessing",
        "threading",
        "_thread",
        "signal",
        "urllib",
        "http",
        "requests",
        "httpx",
        "tempfile",
        "operator",
        "_operator",
        "types",
        "inspect",
        "cloudpickle",
        "dill",
        "torch",
        "pip",
        "setuptools",
        "pkgutil",
        "zipimport",
        "gc",
        "atexit",
        "site",
        "builtins",
        "__builtin__",
        "io",
        "_io",
        "pathlib",
        "linecache",
        "timeit",
        "bdb",
        "pdb",
        "cProfile",
        "profile",
        "trace",
        "doctest",
        "unittest",
        "commands",
        "distutils",
        "ssl",
        "ftplib",
        "smtplib",
        "telnetlib",
        "imp",
        "resource",
        "mmap",
        "fileinput",
        "glob",
        "nturl2path",
        "platform",
        "logging",
        "sqlite3",
    ]
)
_NAMES_NEVER = frozenset(
    [
        "eval",
        "exec",
        "compile",
        "execfile",
        "system",
        "popen",
        "open",
        "load",
        "loads",
        "getattr",
        "setattr",
        "delattr",
        "__import__",
        "import_module",
        "run",
        "runstring",
        "call",
        "check_output",
        "spawn",
        "fork",
        "kill",
        "remove",
        "unlink",
        "rmtree",
        "fromfile",
        "tofile",
        "memmap",
        "genfromtxt",
        "loadtxt",
        "savetxt",
        "fromregex",
        "_ufunc_reconstruct",
        "exec_command",
        "apply",
        "input",
        "breakpoint",
        "globals",
        "locals",
        "vars",
    ]
)
_BUILTINS = frozenset(
    [
        "set",
        "frozenset",
        "slice",
        "bytearray",
        "complex",
        "range",
        "object",
        "list",
        "dict",
        "tuple",
        "int",
        "float",
        "bool",
        "str",
        "bytes",
        "NoneType",
    ]
)
_SMALL: dict[str, frozenset[str]] = {
    "builtins": _BUILTINS,
    "copyreg": frozenset({"_reconstructor"}),
    "copy_reg": frozenset({"_reconstructor"}),
    "collections": frozenset({"OrderedDict", "defaultdict"}),
    "_codecs": frozenset({"encode"}),
    "joblib.numpy_pickle": frozenset({"NumpyArrayWrapper"}),
    "xgboost.core": frozenset({"Booster"}),
    "xgboost.training": frozenset(),
    "lightgbm.basic": frozenset({"Booster"}),
}
_NUMPY_NAMES = frozenset(
    [
        "ndarray",
        "dtype",
        "_reconstruct",
        "scalar",
        "_frombuffer",
        "matrix",
        "recarray",
        "bool_",
        "bool",
        "int8",
        "int16",
        "int32",
        "int64",
        "uint8",
        "uint16",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "longdouble",
        "complex64",
        "complex128",
        "str_",
        "bytes_",
        "object_",
        "datetime64",
        "timedelta64",
        "intp",
        "uintp",
        "nan",
        "inf",
        "log",
        "log1p",
        "log2",
        "log10",
        "exp",
        "expm1",
        "exp2",
        "sqrt",
        "cbrt",
        "square",
        "abs",
        "absolute",
        "fabs",
        "sin",
        "cos",
        "tan",
        "arcsin",
        "arccos",
        "arctan",
        "sinh",
        "cosh",
        "tanh",
        "sign",
        "reciprocal",
        "negative",
        "ceil",
        "floor",
        "rint",
        "clip",
        "nan_to_num",
        "RandomState",
        "Generator",
        "MT19937",
        "PCG64",
        "PCG64DXSM",
        "Philox",
        "SFC64",
        "SeedSequence",
        "__randomstate_ctor",
        "__generator_ctor",
        "__bit_generator_ctor",
        "_mareconstruct",
        "MaskedArray",
    ]
)
_NUMPY_MODULES = re.compile(
    r"numpy(\._?core(\.(multiarray|numeric|_multiarray_umath|umath|fromnumeric))?|\.dtypes|\.ma\.core"
    r"|\.random\.(_pickle|_mt19937|_pcg64|_philox|_sfc64|mtrand|_generator|bit_generator))?\Z"
)
_SCIPY_NAMES = frozenset(
    [
        "csr_matrix",
        "csc_matrix",
        "coo_matrix",
        "bsr_matrix",
        "dia_matrix",
        "dok_matrix",
        "lil_matrix",
        "csr_array",
        "csc_array",
        "coo_array",
        "BSpline",
        "PPoly",
        "interp1d",
        "expit",
        "logit",
        "cKDTree",
        "KDTree",
    ]
)
_SKLEARN_NEVER = re.compile(r"sklearn\.(datasets|externals|conftest|utils\._testing|utils\._test_common|.*\btests\b)")
_SKLEARN_FUNCTIONS = frozenset({"newObj"})
_BOOSTERS = {"xgboost.sklearn": re.compile(r"XGB\w+\Z"), "lightgbm.sklearn": re.compile(r"_?LGBM\w+\Z")}


def never(module: str, name: str) -> bool:
    """Whether an import is dangerous whatever a policy says: code runners, files, processes, attribute access, dotted names."""
    root = module.partition(".")[0]
    if "." in name or not name or not (module.isascii() and name.isascii()):
        return True
    if root in _ROOTS_NEVER and not (module == "builtins" and name in _BUILTINS):
        return True
    return name in _NAMES_NEVER


def allowed(module: str, name: str, trusted: tuple[str, ...] = ()) -> bool:
    """Whether a model may import `module.name`: on the built-in list or in `trusted`, and not `never`."""
    if never(module, name):
        return False
    return f"{module}.{name}" in trusted or _built_in(module, name)


def _built_in(module: str, name: str) -> bool:
    if module in _SMALL:
        return name in _SMALL[module]
    root = module.partition(".")[0]
    if root == "numpy":
        return _numpy(module, name)
    if root == "scipy":
        return name in _SCIPY_NAMES
    if root == "sklearn":
        return _sklearn(module, name)
    return module in _BOOSTERS and bool(_BOOSTERS[module].match(name))


def _numpy(module: str, name: str) -> bool:
    if not _NUMPY_MODULES.match(module):
        return False
    return name in _NUMPY_NAMES or (module == "numpy.dtypes" and bool(_CLASS.match(name))) or bool(_PYX.match(name))


def _sklearn(module: str, name: str) -> bool:
    if _SKLEARN_NEVER.match(module):
        return False
    return bool(_CLASS.match(name)) or bool(_PYX.match(name)) or name in _SKLEARN_FUNCTIONS
