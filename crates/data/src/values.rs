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
    /// brackets around them.
    ///
    /// # Errors
    /// What is wrong, in words: no text, a word that is no finite number, more or fewer numbers.
    pub fn of_text(bytes: &[u8], d: usize) -> Result<Numbers, String> {
        let text = std::str::from_utf8(bytes).map_err(|_| format!("not a row of {d} numbers"))?;
        let text = text.trim().trim_start_matches('[').trim_end_matches(']');
        let is_between = |c: char| matches!(c, ',' | ';') || c.is_whitespace();
        let words = text.split(is_between).filter(|word| !word.is_empty());
        let mut data = Vec::new();
        for (index, word) in words.enumerate() {
            match word.parse::<f32>() {
                Ok(number) if number.is_finite() && index < d => data.push(number),
                Ok(number) if number.is_finite() => {
                    return Err(format!("more than the {d} numbers that the model takes"));
                }
                _ => {
                    let word: String = word.chars().take(40).collect();
                    return Err(format!("number {} is {word:?}: it must be finite", index + 1));
                }
            }
        }
        match data.len() {
            found if found == d => Ok(Numbers::new((1, 1, d), data)),
            found => Err(format!("{found} numbers where the model takes {d}")),
        }
    }
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
        let row = |text: &str| Numbers::of_text(text.as_bytes(), 3);
        let expected = Ok(Numbers::new((1, 1, 3), vec![1.0, -2.5, 3e2]));
        for text in ["1,-2.5,3e2", "[1, -2.5, 300]\n", "1;-2.5;300", " 1\t-2.5 300.0 "] {
            assert_eq!(row(text), expected, "{text:?}");
        }
        let refused = |text: &str| row(text).unwrap_err();
        assert_eq!(refused("1,2"), "2 numbers where the model takes 3");
        assert_eq!(refused("1,2,3,4"), "more than the 3 numbers that the model takes");
        assert_eq!(refused("1,x,3"), "number 2 is \"x\": it must be finite");
        assert!(refused("1,inf,3").contains("number 2 is"));
        assert!(Numbers::of_text(&[0xff, 0xfe], 3).is_err());
    }
}
