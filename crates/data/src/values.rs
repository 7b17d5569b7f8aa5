//! A decoded item: the bytes of a picture, or numbers as they are.

use crate::Pixels;

/// What an item of a source decodes to.
#[derive(Clone, PartialEq, Debug)]
pub enum Values {
    /// A picture.
    Pixels(Pixels),
    /// Numbers that have never been bytes: a row of a table, an array of floats.
    Numbers(Numbers),
}

/// Numbers `[H, W, C]`; a row of a table of `D` columns is `[1, 1, D]`, so that every column is a channel of its own.
#[derive(Clone, PartialEq, Debug)]
pub struct Numbers {
    /// `(H, W, C)`.
    pub shape: (usize, usize, usize),
    /// `H * W * C` numbers: those of place `(y, x)` begin at `(y * W + x) * C`.
    pub data: Vec<f32>,
}

impl Numbers {
    /// Joins a shape with its numbers.
    ///
    /// # Panics
    /// When `data` does not hold `H * W * C` numbers.
    pub fn new(shape: (usize, usize, usize), data: Vec<f32>) -> Self {
        let (h, w, c) = shape;
        assert_eq!(data.len(), h * w * c, "{h}x{w}x{c} numbers are as many");
        Numbers { shape, data }
    }
}

impl Numbers {
    /// Reads a row of `d` numbers as a person writes it: separated by commas, semicolons, tabs or spaces, with or without
    /// brackets around them. What is missing (nothing between two commas, `NA`, `N/A`, `null`, `?`) becomes the number of
    /// `fill` in its place.
    ///
    /// # Errors
    /// What is wrong, in words: no text, a word that is no finite number, more or fewer numbers, a hole that nothing fills.
    pub fn of_text(bytes: &[u8], d: usize, fill: &[Option<f32>]) -> Result<Numbers, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| format!("not a row of {d} numbers"))?;
        let text = text.trim().trim_start_matches('[').trim_end_matches(']').trim();
        let mut data = Vec::new();
        let mut fields = text.split([',', ';']).peekable();
        while let Some(field) = fields.next() {
            let is_end = fields.peek().is_none() && (text.is_empty() || data.len() == d);
            let hole = (field.trim().is_empty() && !is_end).then_some("");
            for word in field.split_whitespace().chain(hole) {
                if data.len() == d {
                    return Err(format!("more than the {d} numbers that the model takes"));
                }
                let filled = fill.get(data.len()).copied().flatten();
                data.push(finite(word, data.len() + 1, filled)?);
            }
        }
        match data.len() {
            found if found == d => Ok(Numbers::new((1, 1, d), data)),
            found => Err(format!("{found} numbers where the model takes {d}")),
        }
    }
}

/// A word as a number, or what a missing one becomes.
fn finite(word: &str, place: usize, fill: Option<f32>) -> Result<f32, String> {
    let parsed = word.parse::<f32>();
    if parsed.as_ref().is_ok_and(|number| number.is_nan()) || is_missing(word.as_bytes()) {
        let told =
            || format!("number {place} is missing, and the model has nothing to fill it with");
        return fill.ok_or_else(told);
    }
    parsed.ok().filter(|number| number.is_finite()).ok_or_else(|| {
        let word: String = word.chars().take(40).collect();
        format!("number {place} is {word:?}: it must be finite")
    })
}

/// What stands in a table where there is no number.
pub(crate) fn is_missing(text: &[u8]) -> bool {
    let missing: [&[u8]; 5] = [b"", b"NA", b"N/A", b"null", b"?"];
    missing.iter().any(|word| text.eq_ignore_ascii_case(word))
}

impl Values {
    /// The shape `(H, W, C)`.
    pub fn shape(&self) -> (usize, usize, usize) {
        match self {
            Values::Pixels(pixels) => pixels.shape(),
            Values::Numbers(numbers) => numbers.shape,
        }
    }

    /// How many numbers it gives: `H * W * C`.
    pub fn count(&self) -> usize {
        let (h, w, c) = self.shape();
        h * w * c
    }
}

impl From<Pixels> for Values {
    fn from(pixels: Pixels) -> Self {
        Values::Pixels(pixels)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_is_read_as_a_person_writes_it_and_every_other_text_is_told_what_is_wrong() {
        let row = |text: &str| Numbers::of_text(text.as_bytes(), 3, &[]);
        let expected = Ok(Numbers::new((1, 1, 3), vec![1.0, -2.5, 3e2]));
        for text in
            ["1,-2.5,3e2", "[1, -2.5, 300]\n", "1;-2.5;300", " 1\t-2.5 300.0 ", "1,-2.5 300,"]
        {
            assert_eq!(row(text), expected, "{text:?}");
        }
        let refused = |text: &str| row(text).unwrap_err();
        assert_eq!(refused("1,2"), "2 numbers where the model takes 3");
        assert_eq!(refused("1,2,3,4"), "more than the 3 numbers that the model takes");
        assert_eq!(refused("1,x,3"), "number 2 is \"x\": it must be finite");
        assert!(refused("1,inf,3").contains("number 2 is"));
        assert_eq!(refused(""), "0 numbers where the model takes 3");
        assert!(Numbers::of_text(&[0xff, 0xfe], 3, &[]).is_err());
    }

    #[test]
    fn what_is_missing_becomes_what_the_model_says_or_is_told() {
        let fill = [Some(7.5), None, Some(-1.0)];
        let row = |text: &str| Numbers::of_text(text.as_bytes(), 3, &fill).map(|row| row.data);
        for text in [",2,", "NA, 2, null", "? 2 N/A", "[null,2,na]", ";2;-1"] {
            assert_eq!(row(text), Ok(vec![7.5, 2.0, -1.0]), "{text:?}");
        }
        let told = Err::<Vec<f32>, _>(
            "number 2 is missing, and the model has nothing to fill it with".to_owned(),
        );
        assert_eq!(row("1,,3"), told);
        assert_eq!(row("1,nan,3"), told);
        assert_eq!(row(",,,"), told);
    }
}
