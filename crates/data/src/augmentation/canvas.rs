//! The image that is varied, and the memory beside it.

/// What black and white are in the numbers of an image, channel by channel.
#[derive(Clone, PartialEq, Debug)]
pub struct Levels {
    /// The value of black in each channel: what lies outside an image.
    pub black: Vec<f32>,
    /// The value of white in each channel, above that of black.
    pub white: Vec<f32>,
}

/// An image `[H, W, C]` on its way through the augmentations.
pub struct Canvas<'a> {
    image: Vec<f32>,
    /// Where the next version is drawn; empty until somebody redraws.
    spare: Vec<f32>,
    shape: (usize, usize, usize),
    levels: &'a Levels,
}

impl<'a> Canvas<'a> {
    /// Puts an image of `shape (H, W, C)` on a canvas; outside it lies black.
    ///
    /// # Panics
    /// When the image does not hold `H * W * C` numbers or the levels are not those of `C` channels.
    pub fn new(image: Vec<f32>, shape: (usize, usize, usize), levels: &'a Levels) -> Self {
        let (h, w, c) = shape;
        assert_eq!(image.len(), h * w * c, "the image has its shape");
        let channels = (levels.black.len(), levels.white.len());
        assert_eq!(channels, (c, c), "every channel has its black and its white");
        Canvas { image, spare: Vec::new(), shape, levels }
    }

    /// The shape `(H, W, C)`.
    pub fn shape(&self) -> (usize, usize, usize) {
        self.shape
    }

    /// What black and white are.
    pub fn levels(&self) -> &'a Levels {
        self.levels
    }

    /// The image as it is now: pixel `(y, x)` begins at `(y * W + x) * C`.
    pub fn image(&self) -> &[f32] {
        &self.image
    }

    /// The image, to be changed in its place.
    pub fn image_mut(&mut self) -> &mut [f32] {
        &mut self.image
    }

    /// Replaces the image: `draw` gets the old one, the background of each channel, and the memory of the new one, all of
    /// which it must write.
    pub fn redraw(&mut self, draw: impl FnOnce(&[f32], &[f32], &mut [f32])) {
        self.spare.resize(self.image.len(), 0.0);
        draw(&self.image, &self.levels.black, &mut self.spare);
        std::mem::swap(&mut self.image, &mut self.spare);
    }

    /// Changes every pixel for itself, in numbers from 0 (black) to 1 (white); what comes out beyond these is cut off.
    /// Channels other than 3 are handed over one by one, `N` being 1.
    pub fn in_light(&mut self, mut change: impl Change) {
        let Levels { black, white } = self.levels;
        match self.shape.2 {
            3 => {
                let range = [0, 1, 2].map(|channel| white[channel] - black[channel]);
                for pixel in self.image.as_chunks_mut::<3>().0 {
                    let light = |at: usize| (pixel[at] - black[at]) / range[at];
                    let changed = change.colour([light(0), light(1), light(2)]);
                    for (at, value) in changed.into_iter().enumerate() {
                        pixel[at] = (black[at] + value * range[at]).clamp(black[at], white[at]);
                    }
                }
            }
            c => {
                for pixel in self.image.chunks_exact_mut(c.max(1)) {
                    for (value, (&black, &white)) in pixel.iter_mut().zip(black.iter().zip(white)) {
                        let changed = change.grey((*value - black) / (white - black));
                        *value = (black + changed * (white - black)).clamp(black, white);
                    }
                }
            }
        }
    }

    /// The image as it is now.
    pub fn into_image(self) -> Vec<f32> {
        self.image
    }
}

/// What is done to the light of a pixel, from 0 (black) to 1 (white).
pub trait Change {
    /// To a pixel of red, green and blue.
    fn colour(&mut self, light: [f32; 3]) -> [f32; 3];

    /// To a channel by itself.
    fn grey(&mut self, light: f32) -> f32;
}

/// How bright a pixel is: the luma of Rec. 601, as most programs weigh colours for a grey picture.
pub(super) fn luma([red, green, blue]: [f32; 3]) -> f32 {
    0.299 * red + 0.587 * green + 0.114 * blue
}
