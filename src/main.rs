//! Exit codes and nothing else: 0 done, 1 the job failed, 2 used wrongly.

use clap::Parser;
use planaria::{cli::Cli, commands};
use std::process::ExitCode;

fn main() -> ExitCode {
    // clap itself ends with 2 on wrong flags, and with 0 after --help and --version.
    let cli = Cli::parse();
    let log = cli.log;
    match commands::execute(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            error.report(log);
            ExitCode::from(error.exit_code())
        }
    }
}
