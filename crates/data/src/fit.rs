//! Makes a user's own picture look like the images a network has learnt from.

use serde::{Deserialize, Serialize};

use crate::Pixels;

/// How a picture of any size comes to the network's size.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fit {
    /// Height and width each for themselves; the ratio is lost.
    #[default]
    Stretch,
    /// As large as fits with the ratio kept, in the middle; the rest is the background.
    Contain,
    /// As small as fills the size with the ratio kept, in the middle; what stands out is cut off.
    Cover,
    /// As MNIST was made: the ink's bounding box is scaled to 20/28 of the size and put with its centre of mass in the middle.
    /// The background is taken away and the darkest ink made full. Works on grey; several channels get the same.
    Centre,
}

/// When black and white are exchanged first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Invert {
    /// Never.
    Never,
    /// Always.
    Always,
    /// For a network that sees grey, when the picture's border is on average brighter than the middle of the range: dark
    /// ink on light paper. A photograph in colour is never inverted.
    #[default]
    Auto,
}

/// Fits a picture to `h` by `w` pixels of `c` channels, 1 (grey) or 3 (RGB).
///
/// In this order: transparency is laid over white, colour becomes grey (Rec. 709 luma) or grey becomes colour, `invert`,
/// `fit`. A picture that has the size already passes all but `Centre` unchanged but for these. The background is the
/// median of the border. Shrinking averages over areas, so that thin lines survive; enlarging interpolates bilinearly.
///
/// ```
/// use planaria_data::{Fit, Invert, Pixels, fit_to};
/// let paper = Pixels::new(2, 2, 3, vec![255; 12]);
/// assert_eq!(fit_to(paper, 1, 1, 1, Invert::Auto, Fit::Stretch).data, [0]);
/// ```
///
/// # Panics
/// When `c` is neither 1 nor 3, or a side of the picture or of the result is 0: no decoded picture is like this.
pub fn fit_to(pixels: Pixels, h: usize, w: usize, c: usize, invert: Invert, fit: Fit) -> Pixels {
    assert!(c == 1 || c == 3, "a network sees grey or RGB, not {c} channels");
    assert!(pixels.h * pixels.w * h * w > 0, "a picture has pixels");
    let mut pixels = with_channels(over_white(pixels), c);
    let inverted = match invert {
        Invert::Never => false,
        Invert::Always => true,
        Invert::Auto => c == 1 && is_border_bright(&pixels),
    };
    if inverted {
        pixels.data.iter_mut().for_each(|byte| *byte = 255 - *byte);
    }
    match fit {
        Fit::Stretch => scaled(pixels, h, w),
        Fit::Contain => contained(pixels, h, w),
        Fit::Cover => scaled(cropped(pixels, h, w), h, w),
        Fit::Centre => with_channels(centred(&with_channels(pixels, 1), h, w), c),
    }
}

/// Brings a picture to the `(H, W, C)` that all of a data set have: its channels always, its size as `fit` says or, without
/// it, not at all. A picture that has the shape already is given back untouched.
///
/// # Errors
/// [`ConformError`] for a picture of another size without `fit`, and for channels that cannot be made.
///
/// # Panics
/// When a side of the picture or of the result is 0: no decoded picture is like this.
pub fn conform(
    pixels: Pixels,
    (h, w, c): (usize, usize, usize),
    fit: Option<Fit>,
) -> Result<Pixels, ConformError> {
    if pixels.shape() == (h, w, c) {
        return Ok(pixels);
    }
    match fit {
        None if (pixels.h, pixels.w) != (h, w) => {
            Err(ConformError::Size { h: pixels.h, w: pixels.w, need_h: h, need_w: w })
        }
        _ if c != 1 && c != 3 => Err(ConformError::Channels { found: pixels.c, need: c }),
        fit => Ok(fit_to(pixels, h, w, c, Invert::Never, fit.unwrap_or_default())),
    }
}

/// Why a picture cannot be one of a data set.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ConformError {
    /// It has another size.
    #[error(
        "a picture of {h}x{w} pixels where {need_h}x{need_w} are needed: drop it or set \
         `source.fit` to \"stretch\", \"contain\" or \"cover\""
    )]
    Size {
        /// Its height.
        h: usize,
        /// Its width.
        w: usize,
        /// The height of all others.
        need_h: usize,
        /// The width of all others.
        need_w: usize,
    },
    /// Its channels cannot become those of the others.
    #[error("a picture of {found} channels where {need} are needed: pictures become 1 or 3")]
    Channels {
        /// Its channels.
        found: usize,
        /// The channels of all others.
        need: usize,
    },
}

/// Lays a picture with transparency (2 or 4 channels) over white; others stay.
fn over_white(pixels: Pixels) -> Pixels {
    let Pixels { h, w, c, data } = pixels;
    if c != 2 && c != 4 {
        return Pixels { h, w, c, data };
    }
    let over = |value: u8, alpha: u8| {
        let sum = u32::from(value) * u32::from(alpha) + 255 * (255 - u32::from(alpha));
        ((sum + 127) / 255) as u8
    };
    let composited = data
        .chunks_exact(c)
        .flat_map(|pixel| pixel[..c - 1].iter().map(move |&value| over(value, pixel[c - 1])))
        .collect();
    Pixels::new(h, w, c - 1, composited)
}

/// Grey from RGB by the luma of Rec. 709 (in thousandths, rounded), RGB from grey by repetition.
fn with_channels(pixels: Pixels, c: usize) -> Pixels {
    let Pixels { h, w, c: from, data } = pixels;
    let data = match (from, c) {
        (3, 1) => data
            .chunks_exact(3)
            .map(|p| {
                let luma = 213 * u32::from(p[0]) + 715 * u32::from(p[1]) + 72 * u32::from(p[2]);
                ((luma + 500) / 1000) as u8
            })
            .collect(),
        (1, 3) => data.iter().flat_map(|&grey| [grey; 3]).collect(),
        _ => data,
    };
    Pixels::new(h, w, c, data)
}

/// The pixels of the border, each once, as slices of channels.
fn border(pixels: &Pixels) -> impl Iterator<Item = &[u8]> {
    let (h, w) = (pixels.h, pixels.w);
    pixels.data.chunks_exact(pixels.c).enumerate().filter_map(move |(at, pixel)| {
        let (y, x) = (at / w, at % w);
        (y == 0 || x == 0 || y + 1 == h || x + 1 == w).then_some(pixel)
    })
}

fn is_border_bright(pixels: &Pixels) -> bool {
    let (mut sum, mut count) = (0u64, 0u64);
    for &byte in border(pixels).flatten() {
        sum += u64::from(byte);
        count += 1;
    }
    2 * sum > 255 * count
}

/// The median of the border, for each channel.
fn background(pixels: &Pixels) -> Vec<u8> {
    let median = |channel: usize| {
        let mut values: Vec<u8> = border(pixels).map(|pixel| pixel[channel]).collect();
        values.sort_unstable();
        values[values.len() / 2]
    };
    (0..pixels.c).map(median).collect()
}

fn scaled(pixels: Pixels, h: usize, w: usize) -> Pixels {
    if (pixels.h, pixels.w) == (h, w) {
        return pixels;
    }
    let Pixels { h: from_h, w: from_w, c, data } = pixels;
    let (down, across) = (taps(from_h, h), taps(from_w, w));
    let mut out = Vec::with_capacity(h * w * c);
    let mut line = vec![0.0; from_w * c];
    for (first, weights) in &down {
        // Rows first: whole lines of numbers that lie side by side.
        line.fill(0.0);
        for (weight, row) in weights.iter().zip(data[first * from_w * c..].chunks_exact(from_w * c))
        {
            for (sum, &byte) in line.iter_mut().zip(row) {
                *sum += weight * f32::from(byte);
            }
        }
        match c {
            1 => mixed::<1>(&line, &across, &mut out),
            2 => mixed::<2>(&line, &across, &mut out),
            3 => mixed::<3>(&line, &across, &mut out),
            _ => mixed::<4>(&line, &across, &mut out),
        }
    }
    Pixels::new(h, w, c, out)
}

/// What one output place takes: the first input place and the weights from there on, which sum to 1.
type Taps = (usize, Vec<f32>);

/// Shrinking takes the average over the area that an output place covers; enlarging interpolates between two middles.
fn taps(from: usize, to: usize) -> Vec<Taps> {
    let ratio = from as f64 / to as f64;
    let area = |place: usize| {
        let (begin, end) = (place as f64 * ratio, ((place + 1) as f64 * ratio).min(from as f64));
        let first = (begin as usize).min(from - 1);
        let covered = |at: usize| end.min((at + 1) as f64) - begin.max(at as f64);
        let last = (end.ceil() as usize).clamp(first + 1, from);
        let weights = (first..last).map(|at| (covered(at).max(0.0) / (end - begin)) as f32);
        (first, weights.collect())
    };
    let between = |place: usize| {
        let middle = ((place as f64 + 0.5) * ratio - 0.5).clamp(0.0, (from - 1) as f64);
        let part = middle.fract() as f32;
        let weights = if part > 0.0 { vec![1.0 - part, part] } else { vec![1.0] };
        (middle as usize, weights)
    };
    (0..to).map(|place| if ratio >= 1.0 { area(place) } else { between(place) }).collect()
}

/// Mixes the pixels of a line and appends them as bytes, rounded.
fn mixed<const C: usize>(line: &[f32], taps: &[Taps], out: &mut Vec<u8>) {
    let pixels = line.as_chunks::<C>().0;
    for (first, weights) in taps {
        let mut sums = [0.0; C];
        for (weight, pixel) in weights.iter().zip(&pixels[*first..]) {
            for (sum, number) in sums.iter_mut().zip(pixel) {
                *sum += weight * number;
            }
        }
        // Of what is not below 0 the cast takes the whole part, and cuts off above 255.
        out.extend(sums.map(|sum| (sum + 0.5) as u8));
    }
}

/// The size of a `h` by `w` box after scaling it by `factor`: at least a pixel, at most the limits.
fn scaled_sides((h, w): (usize, usize), factor: f64, limits: (usize, usize)) -> (usize, usize) {
    let side =
        |side: usize, limit: usize| ((side as f64 * factor).round() as usize).clamp(1, limit);
    (side(h, limits.0), side(w, limits.1))
}

/// The largest part in the middle that has the ratio of `h` to `w`, to the pixel.
fn cropped(pixels: Pixels, h: usize, w: usize) -> Pixels {
    let c = pixels.c;
    let factor = (pixels.h as f64 / h as f64).min(pixels.w as f64 / w as f64);
    let (part_h, part_w) = scaled_sides((h, w), factor, (pixels.h, pixels.w));
    if (part_h, part_w) == (pixels.h, pixels.w) {
        return pixels;
    }
    let (top, left) = ((pixels.h - part_h) / 2, (pixels.w - part_w) / 2);
    let mut data = Vec::with_capacity(part_h * part_w * c);
    for row in pixels.data.chunks_exact(pixels.w * c).skip(top).take(part_h) {
        data.extend_from_slice(&row[left * c..(left + part_w) * c]);
    }
    Pixels::new(part_h, part_w, c, data)
}

fn contained(pixels: Pixels, h: usize, w: usize) -> Pixels {
    let factor = (h as f64 / pixels.h as f64).min(w as f64 / pixels.w as f64);
    let (inner_h, inner_w) = scaled_sides((pixels.h, pixels.w), factor, (h, w));
    let behind = background(&pixels);
    let inner = scaled(pixels, inner_h, inner_w);
    let place = ((h - inner_h) / 2, (w - inner_w) / 2);
    placed(&inner, &behind, (h, w), place)
}

/// A canvas of `behind` with `inner` put at `(top, left)`.
fn placed(
    inner: &Pixels,
    behind: &[u8],
    (h, w): (usize, usize),
    (top, left): (usize, usize),
) -> Pixels {
    let c = inner.c;
    let mut data = behind.repeat(h * w);
    for (row, line) in inner.data.chunks_exact(inner.w * c).enumerate() {
        let begin = ((top + row) * w + left) * c;
        data[begin..begin + line.len()].copy_from_slice(line);
    }
    Pixels::new(h, w, c, data)
}

/// Ink fainter than this of 255, after the contrast is stretched, is noise of the paper.
const FAINTEST_INK: u32 = 32;

fn centred(grey: &Pixels, h: usize, w: usize) -> Pixels {
    let ink = inked(grey);
    let Some((top, bottom, left, right)) = bounding_box(&ink) else {
        return Pixels::new(h, w, 1, vec![0; h * w]);
    };
    let (box_h, box_w) = (bottom - top, right - left);
    let lines = (top..bottom).flat_map(|y| &ink.data[y * ink.w + left..y * ink.w + right]);
    let cropped = Pixels::new(box_h, box_w, 1, lines.copied().collect());
    let factor = (h as f64 / box_h as f64).min(w as f64 / box_w as f64) * 20.0 / 28.0;
    let (inner_h, inner_w) = scaled_sides((box_h, box_w), factor, (h, w));
    let inner = scaled(cropped, inner_h, inner_w);
    let (mass_y, mass_x) = centre_of_mass(&inner);
    let place = |size: usize, inner: usize, mass: f64| {
        (size as f64 / 2.0 - mass).round().clamp(0.0, (size - inner) as f64) as usize
    };
    placed(&inner, &[0], (h, w), (place(h, inner_h, mass_y), place(w, inner_w, mass_x)))
}

/// Light ink on black: the background taken away, the strongest ink at 255, noise at 0.
fn inked(grey: &Pixels) -> Pixels {
    let paper = u32::from(background(grey)[0]);
    let strongest = grey.data.iter().copied().max().map_or(0, u32::from);
    let range = strongest.saturating_sub(paper).max(1);
    let ink = |&byte: &u8| match u32::from(byte).saturating_sub(paper) * 255 / range {
        faint if faint < FAINTEST_INK => 0,
        ink => ink as u8,
    };
    Pixels::new(grey.h, grey.w, 1, grey.data.iter().map(ink).collect())
}

/// The rows and columns that hold everything but 0: `(top, bottom, left, right)`, ends exclusive.
fn bounding_box(ink: &Pixels) -> Option<(usize, usize, usize, usize)> {
    let places = ink.data.iter().enumerate().filter(|&(_, &byte)| byte > 0);
    places.map(|(at, _)| (at / ink.w, at % ink.w)).fold(None, |found, (y, x)| {
        let (top, bottom, left, right) = found.unwrap_or((y, y + 1, x, x + 1));
        Some((top.min(y), bottom.max(y + 1), left.min(x), right.max(x + 1)))
    })
}

/// The centre of mass `(y, x)`; the middle of pixel `(0, 0)` is `(0, 0)`.
fn centre_of_mass(ink: &Pixels) -> (f64, f64) {
    let (mut mass, mut down, mut across) = (0u64, 0u64, 0u64);
    for (at, &byte) in ink.data.iter().enumerate() {
        let (y, x) = ((at / ink.w) as u64, (at % ink.w) as u64);
        mass += u64::from(byte);
        down += u64::from(byte) * y;
        across += u64::from(byte) * x;
    }
    let mass = mass.max(1) as f64;
    (down as f64 / mass, across as f64 / mass)
}
