//! What a person sees: messages and progress on stderr, answers on stdout.
//!
//! Views read copies (`Status`, `Report`) and know nothing of pools. `table` aligns, `curve` draws, `explanation`,
//! `status`, `outcome` (with `scores` and `cleaning`) and `predictions` are answers as text, `progress` follows a run, `sweep` many trainings,
//! `learning_rate` shows a range test, `data_card` and `data_page` tell of a data set, `table_card` and
//! `table_page` of a table,
//! `quarantine` of what was set aside, `jobs` of jobs.

use std::io::{self, Write};

pub mod table;
pub mod curve;
pub mod explanation;
pub mod status;
pub mod events;
pub mod outcome;
pub mod cleaning;
pub mod quarantine;
pub mod scores;
pub mod predictions;
pub mod progress;
pub mod sweep;
pub mod learning_rate;
pub mod data_card;
pub mod data_page;
pub mod table_card;
pub mod table_page;
pub mod jobs;

/// Writes an answer to stdout, ending in one line feed. Who closed the pipe has read enough.
///
/// # Errors
/// What stdout says, but for a closed pipe.
pub fn answer(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Writes a message to stderr; when nobody can read it, nobody misses it.
pub fn message(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", text.trim_end());
}

/// A count for people: `1_234_567` reads worse than `1,234,567`.
pub fn count(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// `1 death`, `2 deaths`, `1,000 deaths`.
pub fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{} {}", count(number), if number == 1 { one } else { many })
}

/// A share as per cent with two digits, rounded down: 99.999 % is not 100 %.
pub fn percent(share: f64) -> String {
    format!("{:.2} %", (share * 10_000.0 + 1e-6).floor() / 100.0)
}

/// Bytes for people: `12.3 MiB`.
pub fn bytes(number: u64) -> String {
    let units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let mut unit = 0;
    let mut value = number as f64;
    while value >= 1024.0 && unit + 1 < units.len() {
        value /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{number} B") } else { format!("{value:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_people_write_them() {
        for (number, text) in [(0, "0"), (999, "999"), (1000, "1,000"), (1_234_567, "1,234,567")] {
            assert_eq!(count(number), text);
        }
        assert_eq!(percent(0.9922), "99.22 %");
        assert_eq!(percent(0.999_999), "99.99 %");
        assert_eq!(percent(1.0), "100.00 %");
        assert_eq!(bytes(1536), "1.5 KiB");
        assert_eq!(counted(1, "death", "deaths"), "1 death");
    }
}
