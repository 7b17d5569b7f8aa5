//! A data set by hand: what of it is told.

use super::card::{DoubtKind, SplitName, TwinCounts, Twinship};
use super::*;
use crate::{Codec, RawItem, SourceError};
use planaria_random::{Purpose, Stream};

/// Items by hand: `(split, label, pixels)`, or why there are none.
struct Hand(Vec<(Split, u8, Result<Pixels, String>)>);

impl Source for Hand {
    fn len(&self, split: Split) -> u64 {
        self.0.iter().filter(|item| item.0 == split).count() as u64
    }

    fn read(&self, split: Split, index: u64) -> Result<RawItem, SourceError> {
        Err(SourceError::Index { path: format!("{split}").into(), index, len: 0 })
    }

    fn shape(&self) -> (usize, usize, usize) {
        (16, 16, 1)
    }

    fn classes(&self) -> usize {
        2
    }

    fn codec(&self) -> Codec {
        Codec::Image
    }

    fn name_of(&self, split: Split, index: u64) -> Option<String> {
        Some(format!("{split}-{index}"))
    }

    fn sha256(&self) -> &str {
        "0"
    }

    fn describe(&self) -> String {
        "by hand".into()
    }
}

impl Hand {
    /// Looks at the items by so many workers in turn.
    fn inspected_by(&self, workers: usize) -> DataCard {
        let mut shares = vec![Inspection::new(2, self.shape()); workers];
        let mut indices = [0, 0];
        for (number, (split, label, pixels)) in self.0.iter().enumerate() {
            let index = &mut indices[usize::from(*split == Split::Test)];
            let seen = pixels.as_ref().map(|pixels| (*label, pixels)).map_err(String::clone);
            let found = Found { split: *split, index: *index, bytes: 7, format: None, seen };
            *index += 1;
            shares[number % workers].add(found);
        }
        // The last worker's come first: the order must not matter.
        let mut all = shares.pop().expect("there is a worker");
        shares.into_iter().for_each(|more| all.merge(more));
        all.finish(self)
    }
}

/// A picture of blotches, other ones for each number.
fn picture(number: u64) -> Pixels {
    let mut stream = Stream::new(number, Purpose::Baseline, 0, 0);
    let blotches: Vec<u8> = (0..16).map(|_| (stream.next_u32() % 220) as u8).collect();
    let byte = |at: usize| blotches[at / 16 / 4 * 4 + at % 16 / 4];
    Pixels::new(16, 16, 1, (0..256).map(byte).collect())
}

/// The same a little brighter: other bytes that look the same.
fn brighter(mut picture: Pixels) -> Pixels {
    picture.data.iter_mut().for_each(|byte| *byte += 1);
    picture
}

fn train(label: u8, pixels: Pixels) -> (Split, u8, Result<Pixels, String>) {
    (Split::Train, label, Ok(pixels))
}

#[test]
fn equal_pictures_are_twins_of_the_first_and_leaks_and_conflicts_are_told_apart() {
    let test = (Split::Test, 0, Ok(picture(1)));
    let hand = Hand(vec![
        train(0, picture(1)),
        train(0, picture(2)),
        train(0, picture(1)),
        train(1, picture(2)),
        test,
    ]);
    let twins = hand.inspected_by(1).twins;
    let expected = TwinCounts { within_train: 2, within_test: 0, leaked: 1, conflicting: 1 };
    assert_eq!((twins.equal, twins.alike), (expected, TwinCounts::default()));
    let names = |pair: &card::Pair| (pair.first.name.clone(), pair.second.name.clone());
    let serious: Vec<_> = twins.serious.iter().map(names).collect();
    let pair = |first: &str, second: &str| (Some(first.to_owned()), Some(second.to_owned()));
    assert_eq!(serious, [pair("train-1", "train-3"), pair("train-0", "test-0")]);
    assert_eq!(twins.harmless.len(), 1);
}

#[test]
fn pictures_that_only_look_the_same_are_told_apart_from_equal_ones() {
    let alike = (Split::Test, 0, Ok(brighter(picture(1))));
    let hand = Hand(vec![train(0, picture(1)), train(0, picture(2)), alike]);
    let twins = hand.inspected_by(1).twins;
    assert_eq!(twins.equal, TwinCounts::default());
    assert_eq!(twins.alike, TwinCounts { leaked: 1, ..TwinCounts::default() });
    assert_eq!(twins.serious[0].kind, Twinship::Alike);
}

#[test]
fn a_picture_of_another_shape_with_the_same_bytes_is_no_twin() {
    let flat = |h, w| Pixels::new(h, w, 1, vec![9; 64]);
    let twins = Hand(vec![train(0, flat(8, 8)), train(0, flat(4, 16))]).inspected_by(1).twins;
    assert_eq!((twins.equal, twins.alike), Default::default());
}

#[test]
fn sizes_classes_bytes_and_what_gives_no_pixels_are_counted() {
    let damaged = (Split::Test, 1, Err("it is cut".to_owned()));
    let small = Pixels::new(8, 16, 1, vec![3; 128]);
    let hand = Hand(vec![train(0, picture(1)), train(1, picture(2)), train(1, small), damaged]);
    let card = hand.inspected_by(1);
    assert_eq!(card.train.by_class, [1, 2]);
    assert_eq!((card.train.items, card.train.bytes, card.train.bytes_least), (3, 21, 7));
    assert_eq!((card.test.items, card.test.unusable), (1, 1));
    let sizes: Vec<_> =
        card.sizes.iter().map(|size| (size.h, size.items, size.is_wanted)).collect();
    assert_eq!(sizes, [(16, 2, true), (8, 1, false)]);
    let reason = &card.unusable[0];
    assert_eq!((reason.split, reason.name.as_deref()), (SplitName::Test, Some("test-0")));
    assert_eq!(reason.what, "it is cut");
}

#[test]
fn mean_and_deviation_are_those_of_all_training_bytes() {
    let half = |low, high| Pixels::new(16, 16, 1, [low, high].repeat(128));
    let test = (Split::Test, 0, Ok(half(255, 255)));
    let card = Hand(vec![train(0, half(0, 51)), train(1, half(0, 153)), test]).inspected_by(1);
    // By hand: bytes 0, 51, 0, 153 in equal shares; over 255 their mean is 0.2, their mean square 0.1.
    let channel = card.channels[0];
    assert!((channel.mean - 0.2).abs() < 1e-12, "{channel:?}");
    assert!((channel.deviation - (0.1f64 - 0.04).sqrt()).abs() < 1e-12, "{channel:?}");
    assert_eq!(card.mean_images[1].pixels.data[..2], [0, 153]);
}

#[test]
fn blank_pictures_strangers_and_labels_that_do_not_fit_are_doubted() {
    let side = |label: u8, number: u64| {
        let mut pixels = picture(number);
        for (at, byte) in pixels.data.iter_mut().enumerate() {
            let is_bright = (at % 16 >= 8) == (label == 1);
            *byte = *byte / 8 + if is_bright { 200 } else { 0 };
        }
        pixels
    };
    let usual = (0..40).map(|number| (number as u8 % 2, side(number as u8 % 2, number)));
    let mut items: Vec<_> = usual.map(|(label, pixels)| train(label, pixels)).collect();
    items.push(train(0, side(1, 99)));
    items.push(train(0, Pixels::new(16, 16, 1, vec![120; 256])));
    let doubts = Hand(items).inspected_by(1).doubts;
    assert_eq!((doubts.blank, doubts.looks_like_another), (1, 1));
    let doubt = &doubts.labels[0];
    assert_eq!(doubt.item.index, 40);
    assert!(matches!(doubt.kind, DoubtKind::LooksLike { class: 1, .. }), "{doubt:?}");
    assert_eq!(doubts.listed[0].item.name.as_deref(), Some("train-41"));
}

#[test]
fn the_card_is_the_same_for_any_number_of_workers() {
    let mut items: Vec<_> = (0..50).map(|n| train((n % 2) as u8, picture(n % 37))).collect();
    items.push((Split::Test, 1, Err("no picture".to_owned())));
    items.push((Split::Test, 1, Ok(brighter(picture(5)))));
    let hand = Hand(items);
    let json = |workers| serde_json::to_string(&hand.inspected_by(workers)).expect("it is JSON");
    let one = json(1);
    for workers in [2, 3, 7] {
        assert_eq!(json(workers), one, "{workers} workers");
    }
}
