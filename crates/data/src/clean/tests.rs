//! Sources by hand: which of their items stay.

use super::*;
use crate::{
    Codec, Limits, RawItem, Source, SourceError, Split, inspect::card::SplitName, ranks::Ranks,
};
use planaria_random::{Purpose, Stream};
use std::sync::Arc;

const SIDE: usize = 16;

/// Items by hand, of the train and of the test split: their labels and their bytes.
struct Hand {
    items: [Vec<(u8, Vec<u8>)>; 2],
    codec: Codec,
}

impl Hand {
    fn of(&self, split: Split) -> &[(u8, Vec<u8>)] {
        &self.items[usize::from(split == Split::Test)]
    }

    fn pictures(train: Vec<(u8, Vec<u8>)>, test: Vec<(u8, Vec<u8>)>) -> Hand {
        Hand { items: [train, test], codec: Codec::Grey8 { h: SIDE, w: SIDE } }
    }

    fn rows(train: &[(u8, [f32; 2])], test: &[(u8, [f32; 2])]) -> Hand {
        let bytes = |(label, row): &(u8, [f32; 2])| {
            (*label, row.iter().flat_map(|number| number.to_le_bytes()).collect())
        };
        let items = [train, test].map(|rows| rows.iter().map(bytes).collect());
        Hand { items, codec: Codec::Floats { h: 1, w: 1, c: 2 } }
    }

    /// The verdicts when the items are looked at from the last to the first, by so many in turn.
    fn judged(&self, settings: &CleanSettings, parts: usize) -> Result<Verdicts<'_>, CleanError> {
        let limits: &'static Limits = Box::leak(Box::default());
        let labels = Relabelled::new(self, &settings.labels)?;
        let mut surveys: Vec<Survey<'_>> =
            (0..parts).map(|_| Survey::new(self, limits, settings)).collect();
        let both = [Split::Test, Split::Train];
        let all =
            both.iter().flat_map(|&split| (0..self.len(split)).rev().map(move |i| (split, i)));
        for (at, (split, index)) in all.enumerate() {
            surveys[at % parts].look(split, index);
        }
        let mut whole = surveys.pop().expect("there is one");
        surveys.into_iter().for_each(|survey| whole.merge(survey));
        let mut verdicts = Verdicts::of(whole, settings, labels.as_ref());
        if settings.outliers != Sought::Off {
            let fences = Fences::of(&verdicts.quartiles_of_pictures(), settings.outlier_range);
            let far = verdicts.far_pictures(&fences);
            verdicts.judge_outliers(settings, &fences, far);
        }
        verdicts.settled()
    }

    fn kept(&self, settings: &CleanSettings) -> [Vec<u32>; 2] {
        let verdicts = self.judged(settings, 1).expect("something stays");
        let report = verdicts.report(self, &["a".into(), "b".into()]);
        let kept = [Split::Train, Split::Test].map(|split| verdicts.kept(split));
        for parts in [2, 5] {
            let again = self.judged(settings, parts).expect("something stays");
            assert_eq!([Split::Train, Split::Test].map(|split| again.kept(split)), kept);
            assert_eq!(again.report(self, &["a".into(), "b".into()]), report, "{parts} parts");
        }
        kept
    }

    fn counts(&self, settings: &CleanSettings) -> CleaningCounts {
        self.judged(settings, 1).expect("something stays").report(self, &[]).counts
    }
}

impl Source for Hand {
    fn len(&self, split: Split) -> u64 {
        self.of(split).len() as u64
    }

    fn read(&self, split: Split, index: u64) -> Result<RawItem, SourceError> {
        let (label, bytes) = &self.of(split)[index as usize];
        Ok(RawItem { bytes: bytes.clone(), label: *label })
    }

    fn shape(&self) -> (usize, usize, usize) {
        match self.codec {
            Codec::Floats { h, w, c } => (h, w, c),
            _ => (SIDE, SIDE, 1),
        }
    }

    fn classes(&self) -> usize {
        2
    }

    fn codec(&self) -> Codec {
        self.codec
    }

    fn sha256(&self) -> &str {
        "0"
    }

    fn describe(&self) -> String {
        "by hand".into()
    }
}

/// A picture like no other.
fn picture(number: u64) -> Vec<u8> {
    let mut stream = Stream::new(number, Purpose::Shuffle, 0, 0);
    let cells: Vec<u8> = (0..16).map(|_| stream.next_below(256) as u8).collect();
    (0..SIDE * SIDE).map(|at| cells[at / SIDE / 4 * 4 + at % SIDE / 4]).collect()
}

/// Every kind of bad item. Training items 1 and 7 are 0 and 6 again; 2 and 3 are equal and labelled differently, 4 is blank, 5
/// is torn, 6 is the test items 0 and 1.
fn bad() -> Hand {
    let train = [(0, 1), (0, 1), (0, 2), (1, 2)].map(|(label, number)| (label, picture(number)));
    let mut train = train.to_vec();
    train.extend([(1, vec![9; SIDE * SIDE]), (1, vec![9; 5])]);
    train.extend([(1, picture(3)), (1, picture(3)), (0, picture(4))]);
    Hand::pictures(train, vec![(1, picture(3)), (1, picture(3)), (0, picture(5))])
}

fn remove_all() -> CleanSettings {
    CleanSettings {
        blank: Action::Remove,
        duplicates: Action::Remove,
        leaks: Action::Remove,
        conflicts: Action::Remove,
        ..CleanSettings::default()
    }
}

#[test]
fn what_is_wrong_is_counted_and_only_what_cannot_be_used_is_set_aside_unless_asked_for() {
    let hand = bad();
    assert_eq!(hand.kept(&CleanSettings::default()), [vec![0, 1, 2, 3, 4, 6, 7, 8], vec![0, 1, 2]]);
    let CleaningCounts { train, test } = hand.counts(&CleanSettings::default());
    let found = |found| Count { found, removed: 0 };
    assert_eq!((train.items, train.kept, train.unreadable), (9, 8, Count { found: 1, removed: 1 }));
    assert_eq!((train.blank, train.conflicts, train.leaks), (found(1), found(2), found(2)));
    assert_eq!(train.duplicates, found(3), "1 of 0, 3 of 2, 7 of 6");
    assert_eq!((test.items, test.kept, test.duplicates, test.leaks), (3, 3, found(1), found(0)));
}

#[test]
fn of_equal_items_the_lowest_number_stays_and_test_items_stay_for_training_items() {
    let hand = bad();
    assert_eq!(hand.kept(&remove_all()), [vec![0, 8], vec![0, 2]]);
    let one = |change: fn(&mut CleanSettings)| {
        let mut settings = CleanSettings::default();
        change(&mut settings);
        hand.kept(&settings)
    };
    let both = vec![0, 1, 2];
    let duplicates = one(|settings| settings.duplicates = Action::Remove);
    assert_eq!(duplicates, [vec![0, 2, 4, 6, 8], vec![0, 2]], "of other labels, too");
    let leaks = one(|settings| settings.leaks = Action::Remove);
    assert_eq!(leaks, [vec![0, 1, 2, 3, 4, 8], both.clone()]);
    let conflicts = one(|settings| settings.conflicts = Action::Remove);
    assert_eq!(conflicts, [vec![0, 1, 4, 6, 7, 8], both.clone()]);
    assert_eq!(one(|settings| settings.blank = Action::Remove), [vec![0, 1, 2, 3, 6, 7, 8], both]);
}

#[test]
fn each_item_that_is_set_aside_is_told_with_its_cause() {
    let hand = bad();
    let verdicts = hand.judged(&remove_all(), 3).expect("something stays");
    let told = verdicts.report(&hand, &["a".into(), "b".into()]);
    let lines = told.set_aside.iter().map(|item| (item.split, item.index, item.reason));
    let (train, test) = (SplitName::Train, SplitName::Test);
    let expected = [
        (train, 1, Reason::Duplicate),
        (train, 2, Reason::Conflict),
        (train, 3, Reason::Conflict),
        (train, 4, Reason::Blank),
        (train, 5, Reason::Unreadable),
        (train, 6, Reason::Leak),
        (train, 7, Reason::Leak),
        (test, 1, Reason::Duplicate),
    ];
    assert_eq!(lines.collect::<Vec<_>>(), expected);
    assert_eq!(told.set_aside[0].cause, "it is equal to train item 0");
    assert_eq!(told.set_aside[5].cause, "it is equal to test item 0");
    assert!(told.set_aside[4].cause.starts_with("5 bytes where"), "{:?}", told.set_aside[4]);
    let classes: Vec<_> = told.classes.iter().map(|class| (class.train, class.test)).collect();
    assert_eq!(classes, [(2, 1), (0, 1)]);
}

#[test]
fn a_picture_that_only_looks_like_another_goes_when_that_is_asked_for() {
    let darker: Vec<u8> = picture(1).iter().map(|&byte| byte / 2 + 10).collect();
    let train = vec![(0, picture(1)), (0, darker.clone()), (1, picture(2)), (1, picture(7))];
    let hand = Hand::pictures(train, vec![(0, picture(5)), (1, darker_of(7))]);
    let settings = |alike, leaks| CleanSettings { alike, leaks, ..CleanSettings::default() };
    let all = [vec![0, 1, 2, 3], vec![0, 1]];
    assert_eq!(hand.kept(&settings(Sought::Off, Action::Remove)), all);
    assert_eq!(hand.kept(&settings(Sought::Keep, Action::Remove)), all);
    let counts = hand.counts(&settings(Sought::Keep, Action::Keep)).train;
    assert_eq!((counts.alike.found, counts.alike_leaks.found), (1, 1));
    assert_eq!(hand.kept(&settings(Sought::Remove, Action::Keep)), [vec![0, 2, 3], vec![0, 1]]);
    assert_eq!(hand.kept(&settings(Sought::Remove, Action::Remove)), [vec![0, 2], vec![0, 1]]);
}

fn darker_of(number: u64) -> Vec<u8> {
    picture(number).iter().map(|&byte| byte / 3).collect()
}

#[test]
fn a_split_of_which_nothing_would_stay_is_refused_with_the_commonest_cause() {
    let blank = || (0, vec![0; SIDE * SIDE]);
    let hand = Hand::pictures(vec![blank(), blank()], vec![(0, picture(1))]);
    let settings = CleanSettings { blank: Action::Remove, ..CleanSettings::default() };
    let refused = hand.judged(&settings, 1).err().expect("nothing stays").to_string();
    assert_eq!(
        refused,
        "[clean] sets all 2 train items aside, most of them as blank: repair the data"
    );
}

#[test]
fn rows_with_holes_go_or_are_filled_and_what_is_infinite_is_never_used() {
    let nan = f32::NAN;
    let train = [
        (0, [1.0, nan]),
        (0, [1.0, nan]),
        (1, [0.0, 4.0]),
        (1, [-0.0, 4.0]),
        (0, [1.0, f32::INFINITY]),
    ];
    let hand = Hand::rows(&train, &[(0, [nan, 1.0]), (1, [2.0, 2.0])]);
    let remove = CleanSettings { duplicates: Action::Remove, ..CleanSettings::default() };
    assert_eq!(hand.kept(&remove), [vec![2], vec![1]], "both zeros are one");
    let fill = CleanSettings { missing: Missing::Median, ..remove };
    assert_eq!(hand.kept(&fill), [vec![0, 2], vec![0, 1]], "holes are equal to holes");
    let verdicts = hand.judged(&fill, 2).expect("something stays");
    assert_eq!(verdicts.holes(), [1, 2]);
    drop(verdicts);
    let kept = [vec![0, 2], vec![0, 1]];
    let hand = Arc::new(hand);
    let cleaned =
        |fill: &[(usize, f32)]| Cleaned::new(hand.clone(), Arc::new(kept.clone()), None, fill);
    let other = cleaned(&[(0, 0.5), (1, -3.5)]);
    let cleaned = cleaned(&[(0, 0.5), (1, -3.0)]);
    assert_ne!(cleaned.sha256(), other.sha256(), "other items");
    let row = |split, index| {
        let raw = cleaned.read(split, index).expect("it is there");
        let numbers = raw.bytes.as_chunks().0.iter().map(|&four| f32::from_le_bytes(four));
        numbers.collect::<Vec<f32>>()
    };
    assert_eq!(row(Split::Train, 0), [1.0, -3.0]);
    assert_eq!(row(Split::Train, 1), [0.0, 4.0]);
    assert_eq!(row(Split::Test, 0), [0.5, 1.0]);
    assert!(cleaned.read(Split::Train, 2).is_err(), "only two are left");
    assert_eq!(cleaned.name_of(Split::Train, 1).as_deref(), Some("train item 2"));
    assert_eq!((cleaned.len(Split::Train), cleaned.len(Split::Test)), (2, 2));
}

#[test]
fn classes_of_one_name_become_one_and_their_labels_no_longer_conflict() {
    let hand = bad();
    let labels = [("0", "thing"), ("1", "thing")];
    let labels = labels.map(|(from, to)| (from.to_owned(), to.to_owned())).into();
    let settings = CleanSettings { labels, conflicts: Action::Remove, ..CleanSettings::default() };
    let renamed = Relabelled::new(&hand, &settings.labels).expect("there are such classes");
    let renamed = renamed.expect("there is a map");
    assert_eq!(
        (renamed.names(), renamed.class(0), renamed.class(1)),
        (&["thing".to_owned()][..], 0, 0)
    );
    assert_eq!(hand.counts(&settings).train.conflicts, Count::default());
    let one = [("1".to_owned(), "none".to_owned())].into();
    let renamed = Relabelled::new(&hand, &one).expect("there is such a class").expect("a map");
    assert_eq!(renamed.names(), ["0", "none"]);
    let unknown = [("7".to_owned(), "x".to_owned())].into();
    let refused = Relabelled::new(&hand, &unknown).expect_err("there is no such class").to_string();
    assert_eq!(refused, "`clean.labels`: no class is called `7`: there are 0, 1");
}

#[test]
fn training_pictures_that_lie_far_out_go_when_that_is_asked_for_and_test_pictures_are_only_counted()
{
    let bright = |by: u8| (0, picture(1).iter().map(|&byte| byte / 4 + by).collect::<Vec<u8>>());
    let mut train: Vec<_> = (100..120).map(bright).collect();
    train.insert(7, bright(190));
    let hand = Hand::pictures(train, vec![bright(105), bright(10)]);
    let settings = |outliers| CleanSettings { outliers, ..CleanSettings::default() };
    let counts = hand.counts(&settings(Sought::Keep));
    let found = |found, removed| Count { found, removed };
    assert_eq!((counts.train.outliers, counts.test.outliers), (found(1, 0), found(1, 0)));
    let [train, test] = hand.kept(&settings(Sought::Remove));
    assert_eq!((train.len(), train.contains(&7), test), (20, false, vec![0, 1]));
    let told =
        hand.judged(&settings(Sought::Remove), 2).expect("something stays").report(&hand, &[]);
    let [far] = &told.set_aside[..] else { panic!("{:?}", told.set_aside) };
    assert_eq!((far.index, far.reason), (7, Reason::Outlier));
    assert!(far.cause.starts_with("its brightness is 2"), "{}", far.cause);
    let wide = CleanSettings { outlier_range: 50.0, ..settings(Sought::Remove) };
    assert_eq!(hand.counts(&wide).train.outliers, Count::default());
}

#[test]
fn numbers_far_beyond_the_quartiles_are_told_and_where_all_are_equal_none_is() {
    let column = |number: &dyn Fn(u16) -> f32| {
        let mut ranks = Ranks::default();
        (0..101).for_each(|row| ranks.add(number(row)));
        let mut quartiles = ranks.quartiles();
        (0..101).for_each(|row| quartiles.add(number(row)));
        quartiles
    };
    let quartiles = [column(&|row| f32::from(row)), column(&|_| 7.0)];
    let fences = Fences::of(&quartiles, 3.0);
    let beyond = |row: [f32; 2]| fences.beyond(row.into_iter());
    assert_eq!(beyond([50.0, 1e9]), None, "quartiles are equal: nothing is said");
    assert_eq!(beyond([f32::NAN, 7.0]), None);
    assert_eq!(beyond([225.5, 7.0]), Some((0, 225.5)));
    assert_eq!(beyond([-140.0, 7.0]), Some((0, -140.0)));
    assert_eq!(beyond([225.0, 7.0]), None, "75 and three times 50");
}
