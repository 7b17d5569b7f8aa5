//! `[augment]`: how training items are varied.

use planaria_data::{
    Augmentation,
    augmentation::{
        Blur, Crop, Cutout, Erase, Flip, Grey, Jitter, Mix, Noise, Padding, RandAugment,
        ResizedCrop, Warp, rand_augment,
    },
};

use super::section::Section;

/// Reads `[augment]`.
pub(super) fn augmentation(mut section: Section<'_>) -> Augmentation {
    let otherwise = Augmentation::default();
    let flips =
        [("never", Flip::Never), ("random", Flip::Random), ("alternating", Flip::Alternating)];
    let paddings = [("reflect", Padding::Reflect), ("zero", Padding::Zero)];
    let (warp, drawn) = (otherwise.warp, otherwise.rand_augment);
    let mut real = |name, default: f32, range| section.real(name, default.into(), range) as f32;
    let least_area = 0.01;
    let (chance, alpha, share) = (0.0..=1.0, 0.0..=1.0, 0.0..=1.0);
    let augmentation = Augmentation {
        resized_crop: ResizedCrop { area: real("crop_area", 1.0, least_area..=1.0) },
        warp: Warp {
            shift: real("shift", warp.shift, 0.0..=1000.0),
            rotate: real("rotate", warp.rotate, 0.0..=180.0),
            scale: real("scale", warp.scale, 0.0..=0.9),
            elastic: real("elastic", warp.elastic, 0.0..=100.0),
            smoothness: real("smoothness", warp.smoothness, 0.5..=100.0),
        },
        jitter: Jitter {
            brightness: real("brightness", 0.0, share.clone()),
            contrast: real("contrast", 0.0, share.clone()),
            saturation: real("saturation", 0.0, share.clone()),
            hue: real("hue", 0.0, 0.0..=180.0),
        },
        grey: Grey { chance: real("grey", 0.0, chance.clone()) },
        blur: Blur { deviation: real("blur", 0.0, 0.0..=20.0) },
        noise: Noise { deviation: real("noise", 0.0, share) },
        erase: Erase { chance: real("erase", 0.0, chance) },
        mix: Mix { mixup: real("mixup", 0.0, alpha.clone()), cutmix: real("cutmix", 0.0, alpha) },
        flip: section.choice("flip", otherwise.flip, &flips),
        crop: Crop {
            pixels: section.whole("crop", otherwise.crop.pixels, 0..=1000),
            padding: section.choice("padding", otherwise.crop.padding, &paddings),
        },
        rand_augment: RandAugment {
            operations: section.whole("rand_augment", drawn.operations, 0..=16),
            magnitude: section.whole("magnitude", drawn.magnitude, 0..=rand_augment::MAGNITUDE_MAX),
        },
        cutout: Cutout { side: section.whole("cutout", otherwise.cutout.side, 0..=1000) },
    };
    section.finish();
    augmentation
}
