//! The house rules, as far as a machine can check them: who knows whom, what is where, and that what we wrote of it is true.
//!
//! One test a rule. Each walks the files of the repository; a failure lists every place that breaks the rule.

#[path = "support/repository.rs"]
mod repository;

use clap::CommandFactory;
use repository::{Text, files, nowhere, paths, places, root};
use std::{
    collections::{BTreeMap, BTreeSet},
    io::Cursor,
    path::Path,
    process::Command,
};
use toml::{Table, Value};

/// Every `Cargo.toml` but for the table of the workspace, by its package's name. Benches of peers are no part of it.
fn manifests() -> BTreeMap<String, Table> {
    let named = |file: Text| {
        let table: Table = file.text.parse().expect("a manifest is TOML");
        let name = table["package"]["name"].as_str().expect("a package has a name").to_owned();
        (name, table)
    };
    let ours = |file: &Text| !file.path.starts_with("benches/");
    files(&["Cargo.toml"]).into_iter().filter(ours).map(named).collect()
}

fn dependencies<'a>(manifest: &'a Table, kind: &str) -> BTreeSet<&'a str> {
    let table = manifest.get(kind).and_then(Value::as_table);
    table.into_iter().flat_map(|table| table.keys().map(String::as_str)).collect()
}

#[test]
fn every_package_knows_only_those_below_it_and_siblings_never_see_each_other() {
    let below: BTreeMap<&str, &[&str]> = BTreeMap::from([
        (
            "planaria",
            &["stages", "baselines", "data", "durable", "journal", "learn", "npy", "random"][..],
        ),
        ("planaria-stages", &["kernel", "learn", "data", "baselines", "durable", "random"]),
        ("planaria-kernel", &["random"]),
        ("planaria-learn", &["npy", "random"]),
        ("planaria-data", &["npy", "random"]),
        ("planaria-baselines", &["random"]),
        ("planaria-journal", &["durable"]),
        ("planaria-durable", &[]),
        ("planaria-npy", &[]),
        ("planaria-random", &[]),
    ]);
    // What only tests and examples see: the models are measured on real digits.
    let beside: BTreeMap<&str, &[&str]> = BTreeMap::from([("planaria-baselines", &["data"][..])]);
    let none: &[&str] = &[];
    let mut wrong = Vec::new();
    for (name, manifest) in manifests() {
        let Some(may) = below.get(name.as_str()) else {
            wrong.push(format!("{name} has no place in the layers: give it one here"));
            continue;
        };
        let may_in_tests = beside.get(name.as_str()).unwrap_or(&none);
        for (kind, more) in [
            ("dependencies", none),
            ("build-dependencies", none),
            ("dev-dependencies", may_in_tests),
        ] {
            let ours = dependencies(&manifest, kind).into_iter();
            let ours = ours.filter_map(|dependency| dependency.strip_prefix("planaria-"));
            let stranger = |name: &&str| !may.contains(name) && !more.contains(name);
            wrong.extend(ours.filter(stranger).map(|other| format!("{name} knows {other}")));
        }
    }
    nowhere("a package knows only those below it", &wrong);
}

#[test]
fn every_library_with_a_place_of_its_own_is_used_only_there() {
    let places: [(&str, &[&str]); 17] = [
        ("actix", &["planaria-kernel"]),
        ("actix-rt", &["planaria-kernel", "planaria-stages", "planaria"]),
        ("tokio", &["planaria-kernel", "planaria-stages", "planaria"]),
        ("tracing", &["planaria-kernel", "planaria-stages", "planaria"]),
        ("tracing-subscriber", &["planaria"]),
        ("clap", &["planaria"]),
        ("indicatif", &["planaria"]),
        ("toml", &["planaria"]),
        ("image", &["planaria-data"]),
        ("flate2", &["planaria-data", "planaria-npy"]),
        ("ruzstd", &["planaria-data"]),
        ("lzma-rust2", &["planaria-data"]),
        ("parquet", &["planaria-data"]),
        ("arrow-array", &["planaria-data"]),
        ("linfa", &["planaria-baselines"]),
        ("smartcore", &["planaria-baselines"]),
        ("safetensors", &["planaria-learn"]),
    ];
    let mut wrong = Vec::new();
    for (name, manifest) in manifests() {
        let used = dependencies(&manifest, "dependencies");
        let strangers = places.iter().filter(|(_, may)| !may.contains(&name.as_str()));
        let strangers = strangers.filter(|(library, _)| used.contains(library));
        wrong.extend(
            strangers.map(|(library, may)| format!("{name} uses {library}: only {may:?} may")),
        );
    }
    nowhere("a library is used only where it belongs", &wrong);
}

#[test]
fn only_the_kernels_host_imports_actix_and_only_who_owns_a_task_its_runtime() {
    let host = |path: &str| path.starts_with("actors/kernel/src/host/");
    nowhere("actix is the host's", &places(&["actix::"], host));
    // Beside the host: the background task of a chaos plan, and the system that the program runs in.
    let task = ["actors/stages/src/pipeline.rs", "src/commands/run.rs"];
    let may = |path: &str| host(path) || task.contains(&path);
    nowhere("actix_rt is the host's", &places(&["actix_rt::"], may));
}

#[test]
fn unsafe_code_is_in_the_compute_kernels_and_nowhere_else() {
    let words = ["unsafe {", "unsafe fn", "unsafe impl", "unsafe extern", "allow(unsafe_code"];
    let may = |path: &str| path.starts_with("crates/learn/src/compute_kernels/");
    nowhere("unsafe code lives in compute_kernels", &places(&words, may));
    for (name, manifest) in manifests() {
        let lints = &manifest["lints"];
        let inherits = lints.get("workspace") == Some(&Value::Boolean(true));
        let denies = lints.get("rust").and_then(|rust| rust.get("unsafe_code"))
            == Some(&Value::String("deny".to_owned()));
        assert!(
            inherits || (name == "planaria-learn" && denies),
            "{name}: `lints.workspace = true`"
        );
    }
}

#[test]
fn pure_crates_start_no_thread_read_no_clock_and_log_nothing() {
    let pure =
        ["crates/random/", "crates/npy/", "crates/data/", "crates/learn/", "crates/baselines/"];
    let others = |path: &str| !pure.iter().any(|folder| path.starts_with(folder));
    let words =
        ["thread::spawn", "Instant::", "SystemTime::", "tracing::", "println!", "static mut"];
    nowhere("a pure crate returns what it has to say", &places(&words, others));
}

#[test]
fn a_clock_is_read_only_by_a_host_and_by_a_view() {
    let may = [
        "actors/kernel/src/host/clock.rs",
        "actors/kernel/src/exhaustive/long_runs.rs", // a test that tells how fast it was
        "src/views/progress.rs",
        "src/jobs/clock.rs", // when something happened to a job, for people
    ];
    let words = ["Instant::now", "SystemTime::now", "disallowed_methods"];
    nowhere("a result never depends on a clock", &places(&words, |path| may.contains(&path)));
}

#[test]
fn only_durable_writes_files_and_only_doors_listen() {
    let may = |path: &str| {
        path.starts_with("crates/durable/src/") || path == "src/doors/socket_path.rs" // its lock
    };
    let words = ["fs::write", "File::create", "OpenOptions", "fs::rename"];
    nowhere("what is on disk is whole: write through `durable`", &places(&words, may));
    let doors = |path: &str| path.starts_with("src/doors/");
    nowhere("only doors listen", &places(&["UnixListener", "TcpListener", "UdpSocket"], doors));
}

#[test]
fn nothing_is_unwrapped_outside_tests() {
    nowhere(
        "`expect` says why it cannot fail",
        &places(&[".unwrap()", ".unwrap_err()"], |_| false),
    );
}

#[test]
fn every_source_file_says_first_what_it_is() {
    let silent = |file: &Text| !file.text.starts_with("//! ");
    let silent = files(&[".rs"]).into_iter().filter(silent).map(|file| file.path);
    nowhere("a file begins with `//!`", &silent.collect::<Vec<_>>());
}

#[test]
fn every_module_is_declared_and_every_source_file_is_a_module() {
    let sources = files(&[".rs"]);
    let known: BTreeSet<&str> = sources.iter().map(|file| file.path.as_str()).collect();
    let mut declared = BTreeSet::new();
    for file in sources.iter().filter(|file| file.path.contains("src/")) {
        let folder = match file.path.strip_suffix(".rs").expect("it is a source file") {
            path if path.ends_with("/lib") || path.ends_with("/main") || path.ends_with("/mod") => {
                path.rsplit_once('/').expect("it lies in a folder").0
            }
            path => path,
        };
        for line in file.text.lines() {
            let words: Vec<&str> = line.trim_end_matches(';').split_whitespace().collect();
            if let [.., "mod", module] = words[..]
                && line.ends_with(';')
            {
                let as_file = format!("{folder}/{module}.rs");
                let as_folder = format!("{folder}/{module}/mod.rs");
                assert!(
                    known.contains(as_file.as_str()) || known.contains(as_folder.as_str()),
                    "{}: `{module}` has a file",
                    file.path
                );
                declared.extend([as_file, as_folder]);
            }
        }
    }
    let is_module = |path: &str| !path.ends_with("/lib.rs") && path != "src/main.rs";
    let modules = known.iter().filter(|path| path.contains("src/") && is_module(path));
    let orphans = modules.filter(|path| !declared.contains(**path)).map(ToString::to_string);
    nowhere("a source file is somebody's module", &orphans.collect::<Vec<_>>());
}

#[test]
fn no_file_is_longer_than_700_lines_and_those_over_400_are_noted() {
    let mut wrong = Vec::new();
    for file in files(&[".rs"]) {
        let lines = file.text.lines().count();
        if lines > 700 {
            wrong.push(format!("{}: {lines} lines", file.path));
        } else if lines > 400 {
            println!("note: {} has {lines} lines: does it still hold one idea?", file.path);
        }
    }
    nowhere("a file has at most 700 lines", &wrong);
}

#[test]
fn no_function_is_longer_than_60_lines() {
    let mut wrong = Vec::new();
    let mut sources = files(&[".rs"]);
    sources.retain(|file| !file.is_beside_the_program()); // a table of cases may be as long as it is
    for file in sources {
        let mut open: Option<(usize, usize, &str)> = None;
        for (number, line) in (1..).zip(file.text.lines()) {
            let indent = line.len() - line.trim_start().len();
            let is_fn =
                line.contains("fn ") && line.contains('(') && !line.trim().starts_with("//");
            match open {
                None if is_fn && !line.ends_with([';', '}']) => open = Some((indent, number, line)),
                Some((at, began, name)) if indent == at && line.trim_start().starts_with('}') => {
                    let lines = number - began + 1;
                    if lines > 60 {
                        wrong.push(format!(
                            "{}:{began}: {lines} lines: {}",
                            file.path,
                            name.trim()
                        ));
                    }
                    open = None;
                }
                // A declaration over several lines, without a body.
                Some((at, ..)) if indent == at && line.ends_with(';') => open = None,
                None | Some(_) => {}
            }
        }
    }
    nowhere("a function fits a screen", &wrong);
}

/// Every file that people read or machines run, but for this one, which must name what it forbids.
fn committed_texts() -> Vec<Text> {
    let endings =
        [".rs", ".toml", ".md", ".sh", ".py", ".json", ".yml", ".ci/run", "run", "LICENSE"];
    let mut texts = files(&endings);
    texts.retain(|file| file.path != "tests/house_rules.rs");
    texts
}

#[test]
fn nothing_is_left_to_do_without_the_number_of_its_issue() {
    let mut wrong = Vec::new();
    for file in committed_texts() {
        for (number, line) in (1..).zip(file.text.lines()) {
            let is_open = ["TODO", "FIXME", "XXX"].iter().any(|word| line.contains(word));
            if is_open && !line.contains('#') {
                wrong.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    nowhere("what is left to do has an issue: TODO(#12)", &wrong);
}

#[test]
fn no_path_of_anybodys_machine_is_committed() {
    let machines = ["/work/", "/home/", "/root/", "/Users/", "/tmp/target", "/mnt/", "../shared/"];
    let mut wrong = Vec::new();
    for file in committed_texts() {
        for (number, line) in (1..).zip(file.text.lines()) {
            let is_root =
                |at: usize| !line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '.');
            let mut begins = machines.iter().flat_map(|path| line.match_indices(path));
            if begins.any(|(at, _)| is_root(at)) {
                wrong.push(format!("{}:{number}: {}", file.path, line.trim()));
            }
        }
    }
    nowhere("a path is relative to the repository, or the user's", &wrong);
}

/// Pictures where a config that learns from a folder looks for them: every class has as many.
fn pictures(folder: &Path) {
    let mut png = Vec::new();
    let black = image::RgbImage::new(32, 32);
    black.write_to(&mut Cursor::new(&mut png), image::ImageFormat::Png).expect("a picture");
    for (split, class) in (0..20).map(|number| (["train", "test"][number % 2], number / 2)) {
        let class = folder.join(split).join(format!("class{class}"));
        std::fs::create_dir_all(&class).expect("a folder for the class");
        for number in 0..60 {
            std::fs::write(class.join(format!("{number}.png")), &png).expect("a picture");
        }
    }
}

#[test]
fn every_config_that_is_shipped_is_accepted_by_check() {
    let elsewhere = tempfile::tempdir().expect("a folder");
    pictures(&elsewhere.path().join("cifar10"));
    let configs: Vec<Text> = files(&[".toml"]);
    // A sweep lies over a config and is none: a journey runs it.
    let is_config = |path: &str| path.starts_with("configs/") && path != "configs/sweep.toml";
    let configs = configs.iter().filter(|file| is_config(&file.path));
    let mut checked = 0;
    for config in configs {
        // CIFAR-10 is not ours to ship: its config is checked beside a few pictures.
        let is_elsewhere = config.text.contains("path = \"cifar10\"");
        let path = match is_elsewhere {
            true => elsewhere.path().join("config.toml"),
            false => root().join(&config.path),
        };
        if is_elsewhere {
            std::fs::write(&path, &config.text).expect("a copy of the config");
        }
        let output = Command::new(env!("CARGO_BIN_EXE_planaria"))
            .arg("check")
            .arg(&path)
            .output()
            .expect("the program starts");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {said}", config.path);
        checked += 1;
    }
    assert!(checked >= 2, "the full and the quick config are shipped");
}

/// The pieces of code in a document: what stands between backticks, and the lines of fenced blocks.
fn code_in(document: &Text) -> Vec<(usize, &str)> {
    let mut pieces = Vec::new();
    let mut is_fenced = false;
    for (number, line) in (1..).zip(document.text.lines()) {
        if line.trim_start().starts_with("```") {
            is_fenced = !is_fenced;
        } else if is_fenced {
            pieces.push((number, line.trim().trim_start_matches("$ ")));
        } else {
            pieces.extend(line.split('`').skip(1).step_by(2).map(|span| (number, span)));
        }
    }
    pieces
}

/// What is wrong with a command of ours as a document writes it; placeholders stand for anything.
fn fault_of_command(words: &[&str]) -> Option<String> {
    let program = planaria::cli::Cli::command();
    let (name, arguments) = words.split_first()?;
    if name.starts_with('-') || name.chars().all(|c| c.is_uppercase()) {
        return None;
    }
    let Some(command) = program.find_subcommand(name) else {
        return Some(format!("there is no `planaria {name}`"));
    };
    for word in arguments {
        let word = word.trim_matches(['[', ']', '"', ',']);
        if let Some(flag) = word.strip_prefix("--") {
            let flag = flag.split('=').next().unwrap_or_default();
            let mut flags = command.get_arguments().chain(program.get_arguments());
            let is_known = flags.any(|known| known.get_long() == Some(flag));
            if !is_known && flag != "help" && !flag.is_empty() {
                return Some(format!("`planaria {name}` has no `--{flag}`"));
            }
        }
        if word.starts_with("configs/") && !root().join(word).is_file() {
            return Some(format!("there is no {word}"));
        }
    }
    None
}

#[test]
fn every_command_in_the_documents_exists() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for document in files(&[".md"]) {
        for (number, code) in code_in(&document) {
            let code = code.split('#').next().unwrap_or_default();
            let ours = code.strip_prefix("planaria ");
            let Some(ours) = ours.or_else(|| code.strip_prefix("cargo run --release -- ")) else {
                continue;
            };
            checked += 1;
            let fault = fault_of_command(&ours.split_whitespace().collect::<Vec<_>>());
            wrong.extend(fault.map(|fault| format!("{}:{number}: {fault}", document.path)));
        }
    }
    assert!(checked > 0, "the documents show commands");
    nowhere("a document shows commands that exist", &wrong);
}

#[test]
fn every_file_named_in_the_documents_exists() {
    let endings = [".rs", ".toml", ".md", ".sh", ".gz"];
    let known: Vec<String> = paths().into_iter().map(|path| format!("/{path}")).collect();
    let exists = |name: &str| known.iter().any(|path| path.ends_with(&format!("/{name}")));
    let mut wrong = Vec::new();
    for document in files(&[".md"]) {
        for (number, span) in code_in(&document) {
            let is_file = endings.iter().any(|ending| span.ends_with(ending));
            let is_name = !span.contains([' ', '*', '<', '(', '{']) && !span.starts_with('.');
            if is_file && is_name && span.contains('/') && !exists(span) {
                wrong.push(format!("{}:{number}: {span}", document.path));
            }
        }
        let links = document.text.split("](").skip(1).filter_map(|rest| rest.split(')').next());
        let folder =
            root().join(&document.path).parent().expect("a file lies in a folder").to_owned();
        for link in links.filter(|link| !link.contains("://") && !link.starts_with('#')) {
            let file = link.split('#').next().unwrap_or_default();
            if !folder.join(file).exists() {
                wrong.push(format!("{}: link to {link}", document.path));
            }
        }
    }
    nowhere("a document names files that exist", &wrong);
}

#[test]
fn every_test_named_in_the_guarantees_exists() {
    let guarantees = files(&["docs/GUARANTEES.md"]);
    let sources = files(&[".rs"]);
    let is_test = |name: &str| {
        let declaration = format!("fn {name}(");
        sources.iter().any(|file| file.text.contains(&declaration))
    };
    let is_sentence = |span: &str| {
        span.matches('_').count() >= 3 && span.chars().all(|c| c.is_alphanumeric() || c == '_')
    };
    let mut named = code_in(&guarantees[0]);
    named.retain(|(_, span)| is_sentence(span));
    assert!(named.len() > 20, "the guarantees name the tests that carry them: {}", named.len());
    let missing = named.iter().filter(|(_, span)| !is_test(span));
    let missing = missing.map(|(number, span)| format!("GUARANTEES.md:{number}: {span}"));
    nowhere("a promise names a test that exists", &missing.collect::<Vec<_>>());
}
