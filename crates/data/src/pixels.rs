//! A decoded image of bytes.

/// One image `[H, W, C]`, a byte a channel, rows from the top; channels are grey, grey-alpha, RGB or RGBA for `c` 1 to 4.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pixels {
    /// Height in pixels.
    pub h: usize,
    /// Width in pixels.
    pub w: usize,
    /// Channels.
    pub c: usize,
    /// `h * w * c` bytes: pixel `(y, x)` begins at `(y * w + x) * c`.
    pub data: Vec<u8>,
}

impl Pixels {
    /// Joins a shape with its bytes.
    ///
    /// # Panics
    /// When `data` does not hold `h * w * c` bytes.
    pub fn new(h: usize, w: usize, c: usize, data: Vec<u8>) -> Self {
        assert_eq!(data.len(), h * w * c, "an image of {h}x{w}x{c} holds as many bytes");
        Pixels { h, w, c, data }
    }

    /// The shape `(H, W, C)`.
    pub fn shape(&self) -> (usize, usize, usize) {
        (self.h, self.w, self.c)
    }
}
