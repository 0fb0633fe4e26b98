//! Apache Kafka's own classes, for tests that have its tools look at what we write.
//!
//! They run where `java` is found, and the jars: in the directory that `KAFKA_LIBS` names, else fetched once by `mvn` as
//! `tests/clients/java/pom.xml` lists them. Where something is missing the test says so and leaves that part out; under `CI=true` it
//! fails instead.

// Each test binary includes this file and uses its own part of it.
#![allow(dead_code)]

use std::ffi::OsString;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Kafka's jars.
pub struct KafkaJars {
    folder: PathBuf,
}

impl KafkaJars {
    /// The jars; `None` where they can't be had, which has then been said aloud. `what` is what can't be tested then.
    pub fn find(what: &str) -> Option<&'static KafkaJars> {
        static FOUND: OnceLock<Result<KafkaJars, String>> = OnceLock::new();
        match FOUND.get_or_init(look) {
            Ok(jars) => Some(jars),
            Err(why) => {
                assert!(
                    std::env::var("CI").as_deref() != Ok("true"),
                    "{what} is not tested: {why}"
                );
                // The test harness keeps what is printed by passed tests to itself; this it does not.
                let _ = writeln!(std::io::stderr(), "SKIPPED: {what} is not tested: {why}");
                None
            }
        }
    }

    /// All of them, as `java -cp` takes it.
    pub fn class_path(&self) -> PathBuf {
        self.folder.join("*")
    }

    /// A command that runs one of Kafka's classes.
    pub fn java(&self, class: &str) -> Command {
        let mut command = Command::new("java");
        command.arg("-cp").arg(self.class_path()).arg(class);
        command
    }
}

fn look() -> Result<KafkaJars, String> {
    if !starts("java", "-version") {
        return Err("java is not found".to_string());
    }
    match std::env::var_os("KAFKA_LIBS") {
        Some(folder) if Path::new(&folder).is_dir() => Ok(KafkaJars {
            folder: PathBuf::from(folder),
        }),
        Some(folder) => Err(format!(
            "KAFKA_LIBS is {}, which is no directory",
            folder.display()
        )),
        None => fetch().map(|folder| KafkaJars { folder }),
    }
}

/// Has Maven fetch the jars, unless that was done for this list of them.
fn fetch() -> Result<PathBuf, String> {
    let project = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/java");
    let list = std::fs::read(project.join("pom.xml")).expect("the list of jars");
    let kept = Path::new(env!("CARGO_TARGET_TMPDIR")).join("kafka-jars");
    let (libs, stamp) = (kept.join("libs"), kept.join("fetched.xml"));
    if std::fs::read(&stamp).is_ok_and(|fetched| fetched == list) {
        return Ok(libs);
    }
    if !starts("mvn", "--version") {
        return Err(
            "mvn, which fetches Apache Kafka's jars, is not found, and KAFKA_LIBS is not set".to_string(),
        );
    }
    // Only what is complete gets its name.
    let fetched = tempfile::TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("a directory");
    let mut folder = OsString::from("-Doutput.folder=");
    folder.push(fetched.path());
    let maven = Command::new("mvn")
        .args(["--batch-mode", "--quiet", "dependency:copy-dependencies"])
        .arg(folder)
        .current_dir(project)
        .output()
        .expect("mvn runs");
    if !maven.status.success() {
        let said = String::from_utf8_lossy(&maven.stdout);
        return Err(format!(
            "mvn could not fetch Apache Kafka's jars: {}",
            said.trim()
        ));
    }
    std::fs::write(fetched.path().join("fetched.xml"), list).expect("written");
    let _ = std::fs::remove_dir_all(&kept);
    std::fs::rename(fetched.keep(), &kept).expect("renamed");
    Ok(libs)
}

fn starts(program: &str, argument: &str) -> bool {
    Command::new(program)
        .arg(argument)
        .output()
        .is_ok_and(|output| output.status.success())
}
