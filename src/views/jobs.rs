//! Jobs as text: a list of them, one of them, a line for what happened to it.

use planaria_journal::{Entry, JobLine};
use serde_json::Value;

use super::{bytes, table::Table};
use crate::jobs::desk::JobView;

/// The newest jobs, a line for each.
pub fn list(jobs: &[JobLine]) -> String {
    if jobs.is_empty() {
        return "no jobs".into();
    }
    let mut table = Table::new(
        &["job", "kind", "state", "priority", "attempts", "accepted", "why"],
        &[1, 2, 5, 6],
    );
    for job in jobs {
        let why = job.error.as_deref().unwrap_or_default();
        table.row([
            job.id.to_string(),
            job.kind.clone(),
            job.state.to_string(),
            job.priority.to_string(),
            job.attempts.to_string(),
            time(job.accepted_ms),
            shortened(why),
        ]);
    }
    table.lines().join("\n")
}

/// One job: what it is, where it is on its way, what happened, what it has come to.
pub fn screen(job: &JobView) -> String {
    let line = &job.line;
    let mut lines = vec![format!("job {}  {}  {}", line.id, line.kind, line.state)];
    let mut add = |name: &str, value: String| lines.push(format!("  {name:<9} {value}"));
    if let Some(error) = &line.error {
        add("because", error.clone());
    }
    if line.progress > 0 {
        add("progress", line.progress.to_string());
    }
    add("request", job.request.to_string());
    if let Some(key) = &job.key {
        add("key", key.clone());
    }
    for file in &job.files {
        add("file", format!("{} ({}, SHA-256 {})", file.name, bytes(file.bytes), file.sha256));
    }
    for figure in ["weights_sha256", "accuracy", "loss", "pictures", "refused", "items"] {
        let result = job.result.as_ref();
        let value =
            result.and_then(|result| result.get(figure).or_else(|| result["test"].get(figure)));
        if let Some(value) = value {
            add("result", format!("{figure} {}", plain(value)));
        }
    }
    lines.extend(job.timeline.iter().map(|happened| format!("  {}", entry(happened))));
    lines.join("\n")
}

/// What happened, in a line.
pub fn entry(entry: &Entry) -> String {
    format!("{}  {:<10} {}", time(entry.at_ms), entry.what, entry.detail).trim_end().to_owned()
}

fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// The beginning of a text that may be long.
fn shortened(text: &str) -> String {
    let first = text.lines().next().unwrap_or_default();
    match first.char_indices().nth(80) {
        Some((at, _)) => format!("{}...", &first[..at]),
        None => first.to_owned(),
    }
}

/// A time as `2026-11-24 03:40:12`, UTC.
///
/// Source: Hinnant, "chrono-compatible low-level date algorithms", `civil_from_days`.
pub fn time(ms: i64) -> String {
    let seconds = ms.div_euclid(1000);
    let (days, second) = (seconds.div_euclid(86_400), seconds.rem_euclid(86_400));
    let shifted = days + 719_468;
    let (era, day_of_era) = (shifted.div_euclid(146_097), shifted.rem_euclid(146_097));
    let leaps = day_of_era / 1_460 - day_of_era / 36_524 + day_of_era / 146_096;
    let year_of_era = (day_of_era - leaps) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 { month_from_march + 3 } else { month_from_march - 9 };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let (hour, minute, second) = (second / 3600, second / 60 % 60, second % 60);
    format!("{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_those_of_the_calendar() {
        // By `date -u -d @SECONDS`.
        for (seconds, text) in [
            (0, "1970-01-01 00:00:00"),
            (951_782_400, "2000-02-29 00:00:00"),
            (1_795_491_612, "2026-11-24 03:40:12"),
            (-1, "1969-12-31 23:59:59"),
        ] {
            assert_eq!(time(seconds * 1000), text);
        }
    }
}
