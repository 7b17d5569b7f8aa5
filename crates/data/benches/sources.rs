//! How long does it take to open a table and an archive, and to read every item in a shuffled order?
//!
//! `cargo bench -p planaria-data --bench sources -- [ROWS]`: one pass of each on one thread, in processor time, and the most
//! memory that the process has held so far. The files are made first, in the folder of temporary files.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use planaria_data::source::table::{Columns, Table, TableFiles, TableFormat};
use planaria_data::source::tar::{TarPaths, write};
use planaria_data::{Limits, Normalise, Pixels, SourceSettings, Split, encode};
use planaria_random::{Permutation, Purpose};

const COLUMNS: usize = 30;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let rows = std::env::args().find_map(|word| word.parse().ok()).unwrap_or(1_000_000);
    let folder = tempfile::tempdir()?;
    let (csv, tar) = (folder.path().join("rows.csv"), folder.path().join("pictures.tar"));
    write_csv(&csv, rows)?;
    let files = TableFiles::Shared { paths: vec![csv], test_share: 0.1 };
    let format = TableFormat::Csv { delimiter: b',', names: None };
    let columns = Columns { label: "label".to_owned(), features: None };
    measure("CSV", &SourceSettings::Table(Table { format, files, columns }))?;
    write_tar(&tar, rows / 10)?;
    measure("tar", &SourceSettings::Tar { paths: TarPaths::One(tar), fit: None })
}

/// Rows of thirty numbers with six digits, and one of ten labels.
fn write_csv(path: &Path, rows: u64) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    let names: Vec<String> = (0..COLUMNS).map(|column| format!("x{column}")).collect();
    writeln!(file, "{},label", names.join(","))?;
    let mut state = 1u64;
    for row in 0..rows {
        for _ in 0..COLUMNS {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            write!(file, "{:.6},", (state >> 40) as f64 / f64::from(1 << 20))?;
        }
        writeln!(file, "{}", row % 10)?;
    }
    file.flush()
}

/// Small pictures in ten classes.
fn write_tar(path: &Path, pictures: u64) -> Result<(), Box<dyn std::error::Error>> {
    let mut file = BufWriter::new(File::create(path)?);
    let png = encode::png(&Pixels::new(28, 28, 1, vec![7; 784]))?;
    for number in 0..pictures {
        let split = if number % 10 < 9 { "train" } else { "test" };
        let name = format!("{split}/{}/{number:08}.png", number / 10 % 10);
        for part in
            [&write::header(&name, png.len() as u64)[..], &png, write::padding(png.len() as u64)]
        {
            file.write_all(part)?;
        }
    }
    file.write_all(&write::END)?;
    Ok(file.flush()?)
}

fn measure(what: &str, settings: &SourceSettings) -> Result<(), Box<dyn std::error::Error>> {
    let limits = Limits::default();
    let begin = processor_seconds();
    let source = settings.open((28, 28, 1), &limits)?;
    let opened = processor_seconds();
    let (_, _, c) = source.shape();
    let normalise = Normalise::new(vec![8.0; c], vec![4.0; c]);
    let len = source.len(Split::Train);
    let order = Permutation::new(len, 1, Purpose::Shuffle, 0);
    let mut numbers = Vec::new();
    for position in 0..len {
        let item = source.read(Split::Train, order.item_at(position))?;
        let values = source.codec().values(&item.bytes, &limits)?;
        numbers.resize(values.count(), 0.0);
        normalise.apply_to(&values, &mut numbers);
    }
    let read = processor_seconds();
    let all = len + source.len(Split::Test);
    println!(
        "{what}: {all} items opened in {:.2} s, {len} read, decoded and normalised in {:.2} s; {} MiB held at most",
        opened - begin,
        read - opened,
        most_held_mib()
    );
    Ok(())
}

/// What this process has used, in user and system mode, by the kernel's count.
fn processor_seconds() -> f64 {
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let fields: Vec<&str> =
        stat.rsplit(')').next().unwrap_or_default().split_whitespace().collect();
    let ticks =
        |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    // Fields 14 and 15 of proc(5), counted behind the name; a tick is a hundredth of a second on Linux.
    (ticks(11) + ticks(12)) / 100.0
}

fn most_held_mib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or(0) >> 10
}
