//! Durations as people write them: a number and its unit.

/// The milliseconds of `50ms`, `2s`, `1.5s`, `10m` or `1h`.
///
/// # Errors
/// What is wrong and how to write it.
///
/// ```
/// use planaria::config::units::milliseconds;
/// assert_eq!(milliseconds("1.5s"), Ok(1500));
/// assert!(milliseconds("15").is_err());
/// ```
pub fn milliseconds(text: &str) -> Result<u64, String> {
    let wrong = || {
        format!(
            "`{text}` is no duration: write a number and a unit, as `50ms`, `2s`, `10m` or `1h`"
        )
    };
    let text = text.trim();
    let digits = text.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
    let (number, unit) = text.split_at(digits);
    let factor = match unit.trim() {
        "ms" => 1.0,
        "s" => 1e3,
        "m" => 60e3,
        "h" => 3600e3,
        _ => return Err(wrong()),
    };
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let milliseconds = number * factor;
    if milliseconds > 1e15 || milliseconds.fract() != 0.0 {
        return Err(wrong());
    }
    Ok(milliseconds as u64)
}

/// A duration as people write it: the largest unit that needs no fraction.
///
/// ```
/// assert_eq!(planaria::config::units::duration(90_000), "90s");
/// ```
pub fn duration(milliseconds: u64) -> String {
    match milliseconds {
        0 => "0ms".into(),
        ms if ms % 3_600_000 == 0 => format!("{}h", ms / 3_600_000),
        ms if ms % 60_000 == 0 && ms >= 120_000 => format!("{}m", ms / 60_000),
        ms if ms % 1000 == 0 => format!("{}s", ms / 1000),
        ms => format!("{ms}ms"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_needs_a_number_and_a_known_unit() {
        for (text, expected) in [
            ("50ms", 50),
            ("2s", 2000),
            ("0ms", 0),
            ("0.5s", 500),
            (" 3 m ", 180_000),
            ("1h", 3_600_000),
        ] {
            assert_eq!(milliseconds(text), Ok(expected), "{text}");
        }
        for text in ["", "2", "s", "-1s", "1 d", "1e3s", "0.5ms", "..s", "99999999999999999h", "2S"]
        {
            assert!(milliseconds(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_duration_is_shown_as_it_is_written() {
        for text in ["0ms", "50ms", "2s", "90s", "10m", "1h"] {
            let shown = milliseconds(text).map(duration);
            assert_eq!(shown.as_deref(), Ok(text));
        }
    }
}
