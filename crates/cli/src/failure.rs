//! What ends a command: an exit status, a cause and a remedy. The exit status is 2 for wrong input,
//! 1 for the rest.

/// Wrong input: nothing was written.
pub(crate) const WRONG_INPUT: u8 = 2;
/// Trials failed, or the machine did.
pub(crate) const FAILED: u8 = 1;

/// Printed as two lines, `error:` and `help:`.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The process's exit status.
    pub status: u8,
    /// What went wrong.
    pub cause: String,
    /// What to do about it.
    pub help: String,
}

impl Failure {
    /// The machine failed, or trials did.
    pub(crate) fn machine(cause: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure { status: FAILED, cause: cause.into(), help: help.into() }
    }

    /// Signals cannot be listened to.
    pub(crate) fn no_signals(e: std::io::Error) -> Failure {
        Failure::machine(format!("cannot listen to signals: {e}"), "report this")
    }

    /// Wrong input.
    pub(crate) fn input(cause: impl Into<String>, help: impl Into<String>) -> Failure {
        Failure { status: WRONG_INPUT, cause: cause.into(), help: help.into() }
    }
}

/// Each crate's error is a cause and a remedy already; only the exit status is added here.
macro_rules! from_error {
    ($error:ty, $status:expr) => {
        impl From<$error> for Failure {
            fn from(e: $error) -> Failure {
                Failure { status: $status, cause: e.cause, help: e.help }
            }
        }
    };
}

from_error!(res2lab_arch::Invalid, WRONG_INPUT);
from_error!(res2lab_experiment::SpecError, WRONG_INPUT);
from_error!(res2lab_data::DataError, WRONG_INPUT);
from_error!(res2lab_fetch::FetchError, FAILED);
from_error!(res2lab_store::StoreError, FAILED);
from_error!(res2lab_report::ReportError, FAILED);

impl From<res2lab_sweep::SweepError> for Failure {
    fn from(e: res2lab_sweep::SweepError) -> Failure {
        Failure {
            status: if e.is_input { WRONG_INPUT } else { FAILED },
            cause: e.cause,
            help: e.help,
        }
    }
}

impl From<res2lab_train::TrainError> for Failure {
    fn from(e: res2lab_train::TrainError) -> Failure {
        let status = if e.kind == res2lab_train::error::Kind::Input { WRONG_INPUT } else { FAILED };
        Failure { status, cause: e.cause, help: e.help }
    }
}
