//! Installs the tracing subscriber: the only place that decides where logs go.
//!
//! Logs go to stderr. A line never cuts a progress bar: while one is drawn, it is lifted for the
//! line.

use indicatif::MultiProgress;
use std::io::{self, Write};
use tracing_subscriber::{EnvFilter, fmt::MakeWriter};

use crate::cli::LogFormat;

/// Installs the subscriber for the life of the process; a second call changes nothing.
///
/// `RUST_LOG` decides what is logged; without it `verbose` does: 0 is an operator's diary (`info`),
/// 1 per batch (`debug`), 2 per item (`trace`). Others' crates only warn.
pub fn install(format: LogFormat, verbose: u8, bars: &MultiProgress) {
    let own = match verbose {
        0 => "info",
        1 => "debug",
        2.. => "trace",
    };
    let filter = EnvFilter::try_from_default_env()
        .unwrap_or_else(|_| EnvFilter::new(format!("warn,planaria={own}")));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(AroundBars(bars.clone()))
        .with_ansi(console_is_coloured());
    // It fails only when a subscriber is installed already: then that one decides.
    let _ = match format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().flatten_event(true).try_init(),
    };
}

/// True when stderr is a terminal that is not told to be plain.
pub fn console_is_coloured() -> bool {
    let is_plain = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    !is_plain && io::IsTerminal::is_terminal(&io::stderr())
}

/// Writes to stderr with the progress bars lifted.
#[derive(Clone)]
struct AroundBars(MultiProgress);

impl Write for AroundBars {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.suspend(|| io::stderr().write_all(bytes))?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

impl<'a> MakeWriter<'a> for AroundBars {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}
