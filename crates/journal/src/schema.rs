//! The journal's file: made, opened, migrated, checked, backed up.
//!
//! A new journal is made whole (`planaria-durable`), so a file that is empty or has no tables was damaged, and is never taken
//! for a fresh start. `application_id` says whose file it is, `user_version` which migrations it has had.

use planaria_durable::whole_file;
use rusqlite::{Connection, ErrorCode, OpenFlags, TransactionBehavior};
use std::{
    fs::File,
    io::Read,
    path::{Path, PathBuf},
    time::Duration,
};

use crate::JournalError;

/// "Plna": whose file it is.
const APPLICATION_ID: i64 = 0x506c_6e61;

/// What every SQLite file begins with.
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// How long we wait for somebody who looks into the journal with a program of their own.
const PATIENCE: Duration = Duration::from_secs(5);

/// What makes a journal of version `n` one of version `n + 1`.
const MIGRATIONS: [&str; 1] = [include_str!("schema/1.sql")];

/// Opens the journal at `path`, or makes a new one when there is none.
///
/// # Errors
/// [`JournalError`]: damaged, foreign, of a newer version, read-only, or not to be opened.
pub(crate) fn open(path: &Path) -> Result<Connection, JournalError> {
    if !path.exists() {
        create(path)?;
    }
    check_magic(path)?;
    let sorted = |error: rusqlite::Error| sort(path, &error);
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let mut db = Connection::open_with_flags(path, flags).map_err(sorted)?;
    db.busy_timeout(PATIENCE).map_err(sorted)?;
    check_identity(path, &db)?;
    if db.is_readonly("main").map_err(sorted)? {
        return Err(JournalError::ReadOnly { path: path.into() });
    }
    let mode: String =
        db.query_row("PRAGMA journal_mode = WAL", [], |row| row.get(0)).map_err(sorted)?;
    if mode != "wal" {
        return Err(JournalError::NoLog { path: path.into() });
    }
    db.execute_batch(PRAGMAS).map_err(sorted)?;
    check(&db).map_err(|what| JournalError::Damaged { path: path.into(), what })?;
    migrate(&mut db, &MIGRATIONS).map_err(sorted)?;
    Ok(db)
}

/// A commit outlives a loss of power; a job's rows go with it.
const PRAGMAS: &str = "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;";

/// Makes a new journal in memory and puts it in place whole.
fn create(path: &Path) -> Result<(), JournalError> {
    let open = |reason: String| JournalError::Open { path: path.into(), reason };
    let said = |error: rusqlite::Error| open(error.to_string());
    let mut db = Connection::open_in_memory().map_err(said)?;
    db.pragma_update(None, "application_id", APPLICATION_ID).map_err(said)?;
    migrate(&mut db, &MIGRATIONS).map_err(said)?;
    let bytes = db.serialize("main").map_err(said)?;
    whole_file::write_as(path, &bytes, planaria_durable::Access::OwnerOnly)
        .map_err(|error| open(error.to_string()))
}

/// Carries out what the journal has not had yet, all or nothing.
fn migrate(db: &mut Connection, migrations: &[&str]) -> rusqlite::Result<()> {
    let had: i64 = db.query_row("PRAGMA user_version", [], |row| row.get(0))?;
    let transaction = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    for migration in migrations.iter().skip(had as usize) {
        transaction.execute_batch(migration)?;
    }
    if had < migrations.len() as i64 {
        transaction.pragma_update(None, "user_version", migrations.len() as i64)?;
    }
    transaction.commit()
}

fn check_magic(path: &Path) -> Result<(), JournalError> {
    let mut begin = [0; 16];
    let read = File::open(path).and_then(|mut file| {
        let bytes = file.metadata()?.len();
        file.read_exact(&mut begin).map(|()| bytes).or(Ok(bytes))
    });
    match read {
        Err(error) => Err(JournalError::Open { path: path.into(), reason: error.to_string() }),
        Ok(bytes) if bytes < MAGIC.len() as u64 => {
            let what = format!("it has {bytes} bytes");
            Err(JournalError::Damaged { path: path.into(), what })
        }
        Ok(_) if begin != *MAGIC => Err(JournalError::Foreign { path: path.into() }),
        Ok(_) => Ok(()),
    }
}

fn check_identity(path: &Path, db: &Connection) -> Result<(), JournalError> {
    let pragma = |name: &str| {
        db.query_row(&format!("PRAGMA {name}"), [], |row| row.get::<_, i64>(0))
            .map_err(|error| sort(path, &error))
    };
    if pragma("application_id")? != APPLICATION_ID {
        return Err(JournalError::Foreign { path: path.into() });
    }
    let (found, known) = (pragma("user_version")?, MIGRATIONS.len() as i64);
    match found {
        found if found > known => Err(JournalError::Newer { path: path.into(), found, known }),
        found if found < 1 => {
            Err(JournalError::Damaged { path: path.into(), what: "it has no version".into() })
        }
        _ => Ok(()),
    }
}

/// What an error at the opening means.
fn sort(path: &Path, error: &rusqlite::Error) -> JournalError {
    let path = PathBuf::from(path);
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
            JournalError::Damaged { path, what: error.to_string() }
        }
        Some(ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => JournalError::ReadOnly { path },
        Some(ErrorCode::DiskFull) => JournalError::Full,
        _ => JournalError::Open { path, reason: error.to_string() },
    }
}

/// Looks through the pages and indices of an open journal.
///
/// # Errors
/// The first thing that is wrong.
pub(crate) fn check(db: &Connection) -> Result<(), String> {
    let said: rusqlite::Result<String> =
        db.query_row("PRAGMA quick_check(1)", [], |row| row.get(0));
    match said {
        Ok(said) if said == "ok" => Ok(()),
        Ok(said) => Err(said),
        Err(error) => Err(error.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_new_journal_is_there_whole_and_opens_again() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        for _ in 0..2 {
            let db = open(&path).unwrap();
            let jobs: i64 = db.query_row("SELECT count(*) FROM jobs", [], |r| r.get(0)).unwrap();
            assert_eq!(jobs, 0);
        }
    }

    #[test]
    fn a_journal_that_is_none_is_told_and_left_as_it_is() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        drop(open(&path).unwrap());
        let good = fs::read(&path).unwrap();
        let text = [b"this is no journal".as_slice(), &[b' '; 100]].concat();
        let cases: [(&[u8], &str); 4] = [
            (b"", "is damaged (it has 0 bytes)"),
            (&good[..10], "is damaged (it has 10 bytes)"),
            (&text, "is no journal of planaria"),
            (&good[..good.len() - 4096], "is damaged"),
        ];
        for (bytes, told) in cases {
            fs::write(&path, bytes).unwrap();
            let error = open(&path).unwrap_err().to_string();
            assert!(error.contains(told), "{told}: {error}");
            assert_eq!(fs::read(&path).unwrap(), bytes, "{told}");
        }
    }

    #[test]
    fn a_database_of_somebody_else_and_one_of_a_newer_program_are_refused() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        Connection::open(&path).unwrap().execute_batch("CREATE TABLE mine (a)").unwrap();
        assert_eq!(open(&path).unwrap_err(), JournalError::Foreign { path: path.clone() });
        fs::remove_file(&path).unwrap();
        open(&path).unwrap().pragma_update(None, "user_version", 7).unwrap();
        let newer = JournalError::Newer { path: path.clone(), found: 7, known: 1 };
        assert_eq!(open(&path).unwrap_err(), newer);
    }

    #[test]
    fn a_migration_that_fails_leaves_the_version_before_it() {
        let mut db = Connection::open_in_memory().unwrap();
        migrate(&mut db, &["CREATE TABLE a (b)"]).unwrap();
        let error = migrate(&mut db, &["CREATE TABLE a (b)", "CREATE TABLE c (d); nonsense"]);
        assert!(error.is_err());
        let version = |db: &Connection| -> i64 {
            db.query_row("PRAGMA user_version", [], |row| row.get(0)).unwrap()
        };
        assert_eq!(version(&db), 1);
        migrate(&mut db, &["CREATE TABLE a (b)", "CREATE TABLE c (d)"]).unwrap();
        assert_eq!(version(&db), 2);
        db.execute_batch("INSERT INTO c VALUES (1)").unwrap();
    }

    #[test]
    fn no_flipped_byte_makes_opening_panic_or_start_afresh() {
        let folder = folder();
        let path = folder.path().join("journal.db");
        let db = open(&path).unwrap();
        db.execute_batch(
            "INSERT INTO jobs (kind, spec, request_sha256, priority, state, accepted_ms)
             VALUES ('train', '{}', 'ab', 0, 'queued', 1)",
        )
        .unwrap();
        drop(db);
        let good = fs::read(&path).unwrap();
        for at in (0..good.len()).step_by(97) {
            let mut bad = good.clone();
            bad[at] ^= 0x40;
            fs::write(&path, &bad).unwrap();
            let Ok(db) = open(&path) else { continue };
            let jobs: rusqlite::Result<i64> =
                db.query_row("SELECT count(*) FROM jobs", [], |row| row.get(0));
            assert!(!matches!(jobs, Ok(0)), "byte {at}: a fresh start");
            drop(db);
            let _ = fs::remove_file(folder.path().join("journal.db-wal"));
            let _ = fs::remove_file(folder.path().join("journal.db-shm"));
        }
    }
}
