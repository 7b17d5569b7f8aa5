//! The image that is varied, and the memory beside it.

/// An image `[H, W, C]` on its way through the augmentations.
pub struct Canvas<'a> {
    image: Vec<f32>,
    /// Where the next version is drawn; empty until somebody redraws.
    spare: Vec<f32>,
    shape: (usize, usize, usize),
    background: &'a [f32],
}

impl<'a> Canvas<'a> {
    /// Puts an image of `shape (H, W, C)` on a canvas; outside it lies `background [C]`.
    ///
    /// # Panics
    /// When the image does not hold `H * W * C` numbers or the background `C`.
    pub fn new(image: Vec<f32>, shape: (usize, usize, usize), background: &'a [f32]) -> Self {
        let (h, w, c) = shape;
        assert_eq!(image.len(), h * w * c, "the image has its shape");
        assert_eq!(background.len(), c, "every channel has its background");
        Canvas { image, spare: Vec::new(), shape, background }
    }

    /// The shape `(H, W, C)`.
    pub fn shape(&self) -> (usize, usize, usize) {
        self.shape
    }

    /// The image, to be changed in its place: pixel `(y, x)` begins at `(y * W + x) * C`.
    pub fn image_mut(&mut self) -> &mut [f32] {
        &mut self.image
    }

    /// Replaces the image: `draw` gets the old one, the background of each channel, and the memory of the new one, all of
    /// which it must write.
    pub fn redraw(&mut self, draw: impl FnOnce(&[f32], &[f32], &mut [f32])) {
        self.spare.resize(self.image.len(), 0.0);
        draw(&self.image, self.background, &mut self.spare);
        std::mem::swap(&mut self.image, &mut self.spare);
    }

    /// The image as it is now.
    pub fn into_image(self) -> Vec<f32> {
        self.image
    }
}
