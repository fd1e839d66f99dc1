//! The command line's types as the library's options.

use super::{
    FigureArgs, Folders, KeepWord, MeasureArgs, Mps, OnOom, ReportArgs, RfArgs, SignOf, SweepArgs,
};
use res2lab_error::Error;
use res2lab_experiment::{Keep, Switch};
use res2lab_explain::{ErfOptions, Sign};
use res2lab_lab::SweepOptions;
use res2lab_lab::erf::MeasureOptions;
use res2lab_lab::report::ReportOptions;
use res2lab_lab::rf::networks::RfOptions;

impl Folders {
    fn options(&self) -> res2lab_lab::Folders {
        res2lab_lab::Folders { data: self.data.clone(), reports: self.reports.clone() }
    }
}

impl SweepArgs {
    pub(crate) fn options(&self) -> SweepOptions {
        SweepOptions {
            words: self.words.clone(),
            name: self.name.clone(),
            device: self.device.clone(),
            slots: self.slots,
            threads: self.threads,
            per_device: self.per_device,
            mps: match self.mps {
                Mps::Auto => Switch::Auto,
                Mps::On => Switch::Always,
                Mps::Off => Switch::Never,
            },
            tolerance: self.tolerance,
            keep_going: self.keep_going,
            plain: self.plain,
            smoke: self.smoke,
            keep: self.keep.map(KeepWord::keep),
            question: self.ask.question(),
            fail_fast: self.fail_fast,
            retries: self.retries,
            retry_diverged: self.retry_failed,
            halve_on_oom: self.on_oom == OnOom::Halve,
            trial_minutes: self.trial_minutes,
            executor: self.executor.clone(),
            detach: self.detach,
            folders: self.folders.options(),
        }
    }
}

impl KeepWord {
    pub(crate) fn keep(self) -> Keep {
        match self {
            KeepWord::All => Keep::All,
            KeepWord::Best => Keep::Best,
            KeepWord::Last => Keep::Last,
            KeepWord::None => Keep::None,
        }
    }
}

impl ReportArgs {
    pub(crate) fn options(&self) -> ReportOptions {
        ReportOptions {
            output: self.page.clone(),
            all: self.all,
            question: self.ask.question(),
            folders: self.folders.options(),
        }
    }
}

impl FigureArgs {
    pub(crate) fn options(&self) -> ReportOptions {
        ReportOptions {
            output: None,
            all: self.all,
            question: self.ask.question(),
            folders: self.folders.options(),
        }
    }
}

impl RfArgs {
    pub(crate) fn options(&self) -> RfOptions {
        RfOptions {
            words: self.words.clone(),
            size: self.size,
            at: self.at.clone(),
            branch_equal: self.branch_equal,
            distribution: self.distribution,
            page: self.page.clone(),
            folders: self.folders.options(),
        }
    }
}

impl MeasureArgs {
    pub(crate) fn options(&self) -> Result<MeasureOptions, Error> {
        let sign = match self.sign {
            SignOf::Absolute => Sign::Absolute,
            SignOf::Positive => Sign::Positive,
            SignOf::Signed => Sign::Signed,
        };
        Ok(MeasureOptions {
            images: self.images,
            device: res2lab_lab::gpus::device(&self.device)?,
            noise: self.noise,
            float64: self.float64,
            options: ErfOptions { sign, relu: self.relu },
            one_per_arm: self.one_per_arm,
        })
    }
}
