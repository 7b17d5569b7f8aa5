//! Varies a training image, differently in every epoch, without touching its label.
//!
//! A variation is a pure function of the image, the settings and the [`Key`]: a killed worker's item comes out the same when
//! it is done again. Each augmentation draws from a stream of its own, so that changing one leaves the others' draws alone.
//! All is plain IEEE arithmetic in a fixed order: equal bits on every machine.

use planaria_random::{Purpose, Stream};
use serde::{Deserialize, Serialize};

pub mod canvas;
pub mod flip;
pub mod crop;
pub mod resized_crop;
mod rectangle;
pub mod warp;
mod affine;
mod elastic;
pub mod rand_augment;
mod tone;
pub mod jitter;
pub mod grey;
pub mod blur;
pub mod noise;
pub mod cutout;
pub mod erase;
pub mod mix;

pub use blur::Blur;
pub use canvas::{Canvas, Levels};
pub use crop::{Crop, Padding};
pub use cutout::Cutout;
pub use erase::Erase;
pub use flip::Flip;
pub use grey::Grey;
pub use jitter::Jitter;
pub use mix::Mix;
pub use noise::Noise;
pub use rand_augment::RandAugment;
pub use resized_crop::ResizedCrop;
pub use warp::Warp;

/// Finds one augmentation's settings among all.
pub type Find = fn(&Augmentation) -> &dyn Vary;

/// Every augmentation by its name, in the order in which they are applied.
pub const AUGMENTATIONS: &[(&str, Find)] = &[
    ("flip", |all| &all.flip),
    ("crop", |all| &all.crop),
    ("resized-crop", |all| &all.resized_crop),
    ("warp", |all| &all.warp),
    ("rand-augment", |all| &all.rand_augment),
    ("jitter", |all| &all.jitter),
    ("grey", |all| &all.grey),
    ("blur", |all| &all.blur),
    ("noise", |all| &all.noise),
    ("cutout", |all| &all.cutout),
    ("erase", |all| &all.erase),
];

/// One way of varying an image.
pub trait Vary {
    /// True when every image stays as it is.
    fn is_identity(&self) -> bool;

    /// Varies the image on the canvas; it keeps its shape. An image between black and white stays between them, up to rounding,
    /// but for what a cutout makes 0.
    fn vary(&self, canvas: &mut Canvas<'_>, key: Key);
}

/// Which variant is wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Key {
    /// The root of every random number.
    pub seed: u64,
    /// The epoch, from 0.
    pub epoch: u32,
    /// The item's number in the source.
    pub item: u64,
}

impl Key {
    /// The numbers of this variant.
    fn stream(&self) -> Stream {
        Stream::new(self.seed, Purpose::Augment, self.epoch, self.item)
    }
}

/// How far an image may be varied. The default varies nothing.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Augmentation {
    /// Left and right exchanged.
    pub flip: Flip,
    /// Moved by whole pixels.
    pub crop: Crop,
    /// A part of it enlarged.
    pub resized_crop: ResizedCrop,
    /// Shifted, turned, scaled and bent.
    pub warp: Warp,
    /// A few operations drawn from a list.
    pub rand_augment: RandAugment,
    /// Brightness, contrast, saturation and hue changed.
    pub jitter: Jitter,
    /// Its colours taken away.
    pub grey: Grey,
    /// Blurred.
    pub blur: Blur,
    /// With noise.
    pub noise: Noise,
    /// A square cut out.
    pub cutout: Cutout,
    /// A rectangle filled with noise.
    pub erase: Erase,
    /// Mixed with another item: by whoever assembles a batch, after all of these.
    pub mix: Mix,
}

impl Augmentation {
    /// The affine map alone: `shift` in pixels, `rotate` in degrees, `scale` as a share.
    pub fn affine(shift: f32, rotate: f32, scale: f32) -> Self {
        let warp = Warp { shift, rotate, scale, ..Warp::default() };
        Augmentation { warp, ..Augmentation::default() }
    }

    /// True when every image stays as it is, until a batch is mixed.
    pub fn is_identity(&self) -> bool {
        AUGMENTATIONS.iter().all(|(_, find)| find(self).is_identity())
    }

    /// Gives the variant `key` of an image of `shape (H, W, C)`; outside the image lies black.
    ///
    /// # Panics
    /// When the image does not hold `H * W * C` numbers or the levels are not those of `C` channels.
    pub fn apply(
        &self,
        image: Vec<f32>,
        shape: (usize, usize, usize),
        levels: &Levels,
        key: Key,
    ) -> Vec<f32> {
        let mut canvas = Canvas::new(image, shape, levels);
        self.vary(&mut canvas, key);
        canvas.into_image()
    }

    /// Makes the variant `key` of the image on the canvas.
    pub fn vary(&self, canvas: &mut Canvas<'_>, key: Key) {
        for (_, find) in AUGMENTATIONS {
            let one = find(self);
            if !one.is_identity() {
                one.vary(canvas, key);
            }
        }
    }
}
