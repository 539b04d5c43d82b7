//! Kafka's own jars, fetched once with Maven and kept under `target/kafka/`.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};

/// The Kafka versions hookstream is tested against; the first is the everyday one.
const VERSIONS: [&str; 2] = ["4.1.2", "3.9.2"];

const POM: &str = include_str!("../../../kafka/pom.xml");

static AS_SHIPPED: AtomicBool = AtomicBool::new(false);

/// Start brokers from now on with the JVM options of Kafka's own scripts: for a measurement. A test's broker does not live
/// long enough to be worth an optimising compiler.
pub(crate) fn as_shipped() {
    AS_SHIPPED.store(true, Ordering::Relaxed);
}

/// One Kafka version as a directory of jars.
pub(super) struct Jars {
    pub(super) version: &'static str,
    directory: PathBuf,
}

impl Jars {
    /// The jars of the version that `HOOKSTREAM_TEST_KAFKA_VERSION` names (`4.1`, `3.9.2` …), fetched if need be.
    ///
    /// The error says why they cannot be had: that is a reason to skip, not a failed test.
    pub(super) fn fetch() -> Result<Jars, String> {
        let version = wanted_version();
        runs("java", "-version")?;
        let home = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("kafka");
        let mut hasher = DefaultHasher::new();
        POM.hash(&mut hasher);
        let directory = home.join(format!("{version}-{:08x}", hasher.finish() as u32));
        fs::create_dir_all(&home).expect("create target/kafka");
        let lock = File::create(home.join(format!("{version}.lock"))).expect("create the lock file");
        lock.lock().expect("lock the jars against other test binaries");
        if !directory.exists() {
            download(version, &directory)?;
        }
        Ok(Jars { version, directory })
    }

    /// `java` with Kafka on its class path and little appetite: it starts quickly, compiles little, and leaves the cores
    /// to what is tested. Three brokers that start at once have dozens of threads, and a gateway that is kept off the
    /// cores for 300 ms answers late; where it is deployed they are on other machines. The class and its arguments are
    /// for the caller.
    pub(super) fn java(&self) -> Command {
        let mut nice = Command::new("nice");
        nice.args(["-n", "5", "java", "-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Xshare:auto"]);
        self.with(nice)
    }

    /// The same for a broker, which is started as Kafka's own scripts do it once [`as_shipped`] was called.
    pub(super) fn broker(&self) -> Command {
        if !AS_SHIPPED.load(Ordering::Relaxed) {
            return self.java();
        }
        // bin/kafka-server-start.sh, bin/kafka-run-class.sh of Kafka 4.1.
        let mut java = Command::new("java");
        java.args([
            "-Xms1g",
            "-Xmx1g",
            "-server",
            "-XX:+UseG1GC",
            "-XX:MaxGCPauseMillis=20",
            "-XX:InitiatingHeapOccupancyPercent=35",
            "-XX:+ExplicitGCInvokesConcurrent",
            "-XX:MaxInlineLevel=15",
        ]);
        self.with(java)
    }

    fn with(&self, mut java: Command) -> Command {
        java.arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn").arg("-cp").arg(self.directory.join("*"));
        java
    }
}

fn wanted_version() -> &'static str {
    let Ok(wanted) = std::env::var("HOOKSTREAM_TEST_KAFKA_VERSION") else {
        return VERSIONS[0];
    };
    VERSIONS
        .into_iter()
        .find(|version| *version == wanted || version.starts_with(&format!("{wanted}.")))
        .unwrap_or_else(|| panic!("HOOKSTREAM_TEST_KAFKA_VERSION={wanted}: known versions are {VERSIONS:?}"))
}

fn runs(program: &str, argument: &str) -> Result<(), String> {
    Command::new(program)
        .arg(argument)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .map(|_| ())
        .map_err(|error| format!("real Kafka needs `{program}`, which does not run here ({error})"))
}

/// Resolve the pom into a scratch directory and rename it: an interrupted download is never taken for a whole one.
fn download(version: &str, directory: &Path) -> Result<(), String> {
    runs("mvn", "--version")?;
    let scratch = directory.with_extension("partial");
    let _ = fs::remove_dir_all(&scratch);
    let output = Command::new("mvn")
        .args(["-q", "-B", "-f"])
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/kafka/pom.xml"))
        .arg(format!("-Dkafka.version={version}"))
        .args(["dependency:copy-dependencies", "-DincludeScope=runtime"])
        .arg(format!("-DoutputDirectory={}", scratch.display()))
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("mvn does not run here ({error})"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stdout);
        let first = said.lines().find(|line| line.contains("ERROR")).unwrap_or("no reason given");
        return Err(format!("mvn could not fetch Kafka {version}: {first}"));
    }
    fs::rename(&scratch, directory).map_err(|error| format!("cannot keep Kafka's jars ({error})"))
}
