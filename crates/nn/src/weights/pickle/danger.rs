//! Names that would run code in a reader that executes the calls of a pickle. This reader never
//! executes any, so the list only decides how a file is reported: a file with a name of the list is
//! refused as untrusted, other unknown names are noted and skipped.

/// Python modules of which no harmless name occurs in pickles.
const MODULES: &str = "os posix nt sys subprocess importlib runpy socket shutil pty ctypes cffi commands popen2 \
    codeop pdb bdb timeit cProfile profile trace doctest ensurepip venv site zipimport pkgutil pip setuptools \
    distutils idlelib lib2to3 pydoc webbrowser urllib urllib2 http httplib requests httpx aiohttp ftplib smtplib \
    telnetlib poplib imaplib xmlrpc socketserver asyncio pickle _pickle cPickle marshal shelve dill cloudpickle \
    joblib signal mmap fcntl atexit gc inspect fileinput tempfile sched crypt nturl2path linecache antigravity \
    sqlite3 _posixsubprocess _socket _ctypes imp jinja2 fabric paramiko pexpect sh plumbum";

/// Modules that are dangerous at any position of a dotted name, as in `torch.os.system`.
const WITHIN: &str = "os posix nt sys subprocess builtins __builtin__ __builtins__ importlib runpy socket shutil pty \
    ctypes cpp_extension f2py";

/// Functions of otherwise harmless modules.
const FUNCTIONS: &[&str] = &[
    "io.open",
    "_io.open",
    "io.open_code",
    "io.FileIO",
    "_io.FileIO",
    "code.interact",
    "code.InteractiveConsole",
    "code.InteractiveInterpreter",
    "code.compile_command",
    "numpy.load",
    "numpy.lib.npyio.load",
    "numpy.testing._private.utils.runstring",
    "numpy.testing._private.utils.rundocs",
    "pandas.read_pickle",
    "pandas.io.pickle.read_pickle",
    "operator.attrgetter",
    "operator.itemgetter",
    "operator.methodcaller",
    "_operator.attrgetter",
    "_operator.methodcaller",
    "functools.reduce",
    "_functools.reduce",
    "types.FunctionType",
    "types.CodeType",
    "types.LambdaType",
    "types.MethodType",
    "logging.config.listen",
    "logging.config.dictConfig",
    "multiprocessing.util.spawnv_passfds",
    "multiprocessing.managers.RebuildProxy",
    "multiprocessing.process.Process",
    "multiprocessing.Process",
    "multiprocessing.context.Process",
    "multiprocessing.pool.Pool",
    "threading.Thread",
    "threading.Timer",
    "platform.popen",
    "uuid._get_command_stdout",
    "uuid._popen",
    "torch.load",
    "torch.serialization.load",
    "torch.compile",
    "torch.package.PackageImporter",
    "torch.utils.bottleneck.__main__.run_cprofile",
    "torch.utils.collect_env.run",
    "torch.utils.data.datapipes.utils.decoder.basichandlers",
    "torch.fx.graph_module.reduce_graph_module",
    "torch.fx.experimental.symbolic_shapes.ShapeEnv.evaluate_guards_expression",
];

/// Everything below these.
const BELOW: &[&str] = &[
    "torch.hub.",
    "torch.ops.",
    "torch.classes.",
    "torch.jit.",
    "torch._inductor.",
    "torch._dynamo.",
    "torch.multiprocessing.",
    "numpy.distutils.",
    "concurrent.futures.",
];

/// Names of functions that run their argument, in any module.
const NAMES: &str = "system popen popen2 popen3 Popen exec execfile eval __import__ import_module check_output \
    check_call getoutput getstatusoutput run_path run_module _run_code runcode runsource exec_command";

/// Python's own types and functions that compute on values and nothing else. Its exceptions begin
/// with a capital letter.
const PLAIN: &str = "set frozenset list dict tuple int long float bool complex bytes bytearray str unicode slice range \
    xrange object type iter reversed enumerate zip property getattr print len abs min max sum sorted round any all pow \
    divmod hash id repr ord chr hex oct bin isinstance issubclass callable map filter";

/// Records of the system's modules.
const RECORDS: &str = "stat_result statvfs_result uname_result terminal_size times_result PathLike";

/// Whether calling `full` (`module.name`) could run code.
pub(super) fn runs_code(full: &str) -> bool {
    let (module, name) = full.rsplit_once('.').unwrap_or(("", full));
    if module == "builtins" || module == "__builtin__" {
        return !(is_one_of(name, PLAIN) || name.starts_with(|c: char| c.is_ascii_uppercase()));
    }
    if ["os", "posix", "nt"].contains(&module) && is_one_of(name, RECORDS) {
        return false;
    }
    let top = full.split('.').next().unwrap_or_default();
    is_one_of(top, MODULES)
        || full.split('.').any(|part| is_one_of(part, WITHIN))
        || is_one_of(name, NAMES)
        || FUNCTIONS.contains(&full)
        || BELOW.iter().any(|below| full.starts_with(below))
}

/// The name by which a call of `getattr` would reach Python's own machinery, through no name that
/// [`runs_code`] sees.
pub(super) fn is_machinery(attribute: &str) -> bool {
    attribute.starts_with("__") || attribute == "mro" || is_one_of(attribute, NAMES)
}

fn is_one_of(word: &str, list: &str) -> bool {
    list.split_ascii_whitespace().any(|known| known == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_run_code_is_told_from_what_holds_values() {
        let bad = "os.system posix.system nt.system subprocess.Popen builtins.eval builtins.exec __builtin__.eval \
            builtins.__import__ builtins.open builtins.compile builtins.setattr sys.modules runpy._run_code \
            importlib.import_module socket.create_connection shutil.rmtree webbrowser.open pickle.loads \
            torch.os.system torch.hub.load torch.load numpy.load functools.reduce operator.attrgetter \
            types.CodeType types.FunctionType ctypes.CDLL pty.spawn code.interact marshal.loads \
            asyncio.create_subprocess_exec pip.main evil.system dill._dill._create_function timeit.timeit";
        bad.split_ascii_whitespace().for_each(|name| assert!(runs_code(name), "{name}"));
        let harmless = "argparse.Namespace collections.Counter collections.OrderedDict collections.defaultdict \
            numpy.core.multiarray.scalar numpy._core.multiarray._reconstruct numpy.dtype numpy.ndarray \
            datetime.datetime pathlib.PosixPath builtins.set builtins.frozenset __builtin__.set _codecs.encode \
            builtins.ValueError builtins.print os.stat_result builtins.getattr copyreg._reconstructor copy_reg._reconstructor \
            torch.optim.sgd.SGD torch.float32 timm.optim.Lookahead functools.partial types.SimpleNamespace \
            omegaconf.dictconfig.DictConfig typing.Any enum.Enum decimal.Decimal fractions.Fraction uuid.UUID \
            __main__.Config lightning.fabric.utilities.data.AttributeDict torch.nn.modules.conv.Conv2d \
            mmengine.logging.history_buffer.HistoryBuffer random.Random operator.mul math.floor";
        harmless.split_ascii_whitespace().for_each(|name| assert!(!runs_code(name), "{name}"));
        assert!(is_machinery("__subclasses__") && is_machinery("system") && !is_machinery("HIGH"));
    }
}
