//! `planaria train`: a run that ends with its training, or a sweep of many.

use indicatif::MultiProgress;

use super::{CommandError, raw_config, run, sweep};
use crate::{
    cli::{LogFormat, RunArgs, TrainArgs},
    config::{check, load::RawConfig, sweep as sweeps},
};

/// Trains a config once, or as often as a sweep says.
pub(super) fn train(
    args: &TrainArgs,
    log: LogFormat,
    bars: &MultiProgress,
) -> Result<(), CommandError> {
    let Some(file) = &args.sweep else {
        let once = RunArgs {
            config: args.config.clone(),
            exit: true,
            resume: args.resume.clone(),
            report: args.report.clone(),
            chaos: None,
            overrides: args.overrides.clone(),
        };
        return run::run(&once, log, bars);
    };
    let base = raw_config(&args.config, &args.overrides)?;
    let config = check::check(&base).map_err(CommandError::Config)?;
    let seed = config.pipeline.seed;
    let sweep = sweeps::read(&RawConfig::from_file(file)?, seed).map_err(CommandError::Config)?;
    let trials = sweep.trials(&base).map_err(CommandError::Config)?;
    if let Some(path) = &args.report {
        run::check_report_path(path)?;
    }
    let state = &config.pipeline.state_dir;
    let search = sweep::Search::new(args, &sweep, state, &trials, log, bars);
    run::in_system(search.carry_out(trials))
}
