//! The examples in `deploy/` do what they say: their shards are all there, their commands exist, and their scripts run.
#![cfg(unix)]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;
use tempfile::TempDir;

const SCENARIO: &str = r#"{"faultline": 1, "name": "small", "nodes": {
    "shop": {"kind": "service", "endpoints": {"buy": [{"call": "gateway.charge", "timeout": "1s", "retry": {"tries": 3}}]}},
    "gateway": {"kind": "service", "endpoints": {"charge": [
        {"work": {"lognormal": {"median": "300ms", "sigma": 0.6}}}, {"record": "charged"}]}}},
  "workload": {"shopper": {"rate": "10/s", "limit": 4, "each": "order", "do": [{"call": "shop.buy"}]}},
  "properties": {"once": {"at_most_once": "charged"}}}"#;

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("sim-tui is a member").join("deploy")
}

fn text(name: &str) -> String {
    std::fs::read_to_string(deploy().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The documents of a YAML file.
fn documents(name: &str) -> Vec<Value> {
    let parse = |text: &str| serde_saphyr::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
    text(name).split("\n---\n").map(parse).collect()
}

/// A folder with the scenario in it, and the program on the path.
struct Shell {
    folder: TempDir,
    bin: TempDir,
}

impl Shell {
    fn new() -> Shell {
        let shell = Shell { folder: TempDir::new().unwrap(), bin: TempDir::new().unwrap() };
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_faultline"), shell.bin.path().join("faultline")).unwrap();
        std::fs::write(shell.folder.path().join("scenario.json"), SCENARIO).unwrap();
        shell
    }

    fn command(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new(program);
        let path = std::env::var("PATH").unwrap_or_default();
        command.current_dir(self.folder.path()).env("PATH", format!("{}:{path}", self.bin.path().display()));
        command
    }

    /// What one hunt of all seeds prints, and what the merge of all shards prints, without the timings.
    fn check(&self, seeds: &str, merged: &Output) {
        let hunt = self.command("faultline").args(["hunt", "scenario.json", "--seeds", seeds]).output().unwrap();
        let error = String::from_utf8_lossy(&merged.stderr);
        assert_eq!(timeless(merged), timeless(&hunt), "{error}");
    }
}

/// The printed lines without timings.
fn timeless(output: &Output) -> String {
    let text = String::from_utf8(output.stdout.clone()).unwrap();
    let lines = text.lines().filter(|line| !line.contains("seeds/s"));
    lines.map(|line| format!("{line}\n")).collect()
}

/// The script of a container and the values in its environment.
fn container(job: &Value) -> (String, Vec<(String, String)>) {
    let container = &job["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["command"], serde_json::json!(["/bin/sh", "-euc"]));
    let word = |value: &Value| value.as_str().unwrap().to_owned();
    let env = container["env"].as_array().unwrap().iter().map(|env| (word(&env["name"]), word(&env["value"])));
    (word(&container["args"][0]), env.collect())
}

#[test]
fn the_indexed_job_judges_every_shard_once() {
    let hunt = documents("kubernetes-hunt.yaml").into_iter().find(|it| it["kind"] == "Job").unwrap();
    let (script, env) = container(&hunt);
    let value = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone()).unwrap();
    let completions = hunt["spec"]["completions"].as_u64().unwrap();
    assert_eq!((&hunt["spec"]["completionMode"], value("SHARDS")), (&Value::from("Indexed"), completions.to_string()));
    let claims = documents("kubernetes-hunt.yaml");
    let claim = claims.iter().find(|it| it["kind"] == "PersistentVolumeClaim").unwrap();
    let (merge, _) = container(&documents("kubernetes-merge.yaml")[0]);
    for job in [&hunt, &documents("kubernetes-merge.yaml")[0]] {
        let volume = &job["spec"]["template"]["spec"]["volumes"][0];
        assert_eq!(volume["persistentVolumeClaim"]["claimName"], claim["metadata"]["name"]);
    }
    let shell = Shell::new();
    let run = |script: &str, index: u64| {
        let mut command = shell.command("/bin/sh");
        command.args(["-euc", script]).envs(env.clone()).env("JOB_COMPLETION_INDEX", index.to_string());
        command.env("WORK", shell.folder.path()).env("SCENARIO", "scenario.json").env("SEEDS", "60").output().unwrap()
    };
    for index in 0..completions {
        let pod = run(&script, index);
        assert!(pod.status.success(), "{}", String::from_utf8_lossy(&pod.stderr));
    }
    shell.check("60", &run(&merge, 0));
}

#[test]
fn a_slurm_array_judges_every_shard_once() {
    let shell = Shell::new();
    for index in 1..=3 {
        let mut task = shell.command(deploy().join("slurm.sh"));
        task.args(["scenario.json", "--seeds", "40"]).env("SLURM_ARRAY_TASK_COUNT", "3");
        let task = task.env("SLURM_ARRAY_TASK_ID", index.to_string()).output().unwrap();
        assert!(task.status.success(), "{}", String::from_utf8_lossy(&task.stderr));
    }
    let reports = ["shard-1.json", "shard-2.json", "shard-3.json"];
    shell.check("40", &shell.command("faultline").arg("merge").args(reports).output().unwrap());
}

/// A shell with GNU parallel, or with something that runs its scripts one after the other where there is none.
fn with_parallel() -> Shell {
    use std::os::unix::fs::PermissionsExt;
    let shell = Shell::new();
    let is_gnu = |output: Output| String::from_utf8_lossy(&output.stdout).starts_with("GNU parallel");
    if !shell.command("parallel").arg("--version").output().is_ok_and(is_gnu) {
        let stand_in = shell.bin.path().join("parallel");
        std::fs::write(&stand_in, "#!/bin/sh\nexec xargs -0 -n 1 sh -c\n").unwrap();
        std::fs::set_permissions(&stand_in, std::fs::Permissions::from_mode(0o755)).unwrap();
    }
    shell
}

#[test]
fn hosts_judge_every_shard_once() {
    let shell = with_parallel();
    let hosts = |words: &[&str]| {
        let mut command = shell.command(deploy().join("parallel.sh"));
        command.args(words).env("SHARDS", "3").output().unwrap()
    };
    let merged = hosts(&["scenario.json", "--seeds", "40"]);
    let error = String::from_utf8_lossy(&merged.stderr);
    assert!(merged.status.code() == Some(1) && !error.contains("parallel"), "{error}");
    shell.check("40", &merged);
    // Words are read as they were written, whatever stands in them.
    let words = ["--seeds", "9", "--fault", "1s..2s cut shop->gateway", "--fault", "2s..3s crash gateway"];
    let merged = hosts(&[&["scenario.json"], &words[..]].concat());
    let one = shell.command("faultline").args(["hunt", "scenario.json"]).args(words).output().unwrap();
    assert_eq!(timeless(&merged), timeless(&one), "{}", String::from_utf8_lossy(&merged.stderr));
}

#[test]
fn hosts_that_could_not_do_their_work_are_told_and_earlier_reports_are_not_theirs() {
    let shell = with_parallel();
    let hosts = |fault: &str, program: &str| {
        let mut command = shell.command(deploy().join("parallel.sh"));
        command.args(["scenario.json", "--seeds", "6", "--fault", fault, "--until", "1s"]);
        command.env("SHARDS", "3").env("FAULTLINE", program).output().unwrap()
    };
    assert_eq!(hosts("0s.. cut shop->gateway", "faultline").status.code(), Some(0));
    for fault in ["no fault", "{} it's {#}"] {
        let failed = hosts(fault, "faultline");
        let error = String::from_utf8_lossy(&failed.stderr);
        assert_eq!((failed.status.code(), failed.stdout.as_slice()), (Some(2), &b""[..]), "{error}");
        assert!(error.contains(fault) && error.contains("not every shard could do its work"), "{error}");
        assert!(!shell.folder.path().join("shard-1.json").exists());
    }
    // One that fails is missing, and the others are merged.
    let flaky = shell.bin.path().join("flaky");
    let script = "#!/bin/sh\ncase \" $* \" in *\" 2/3 \"*) exit 2 ;; esac\nexec faultline \"$@\"\n";
    std::fs::write(&flaky, script).unwrap();
    std::fs::set_permissions(&flaky, std::os::unix::fs::PermissionsExt::from_mode(0o755)).unwrap();
    let failed = hosts("0s.. cut shop->gateway", "flaky");
    let out = String::from_utf8_lossy(&failed.stdout);
    assert!(failed.status.code() == Some(4) && out.contains("\nmissing: shard 2/3\n"), "{out}");
}

#[test]
fn the_matrix_of_the_workflow_is_all_shards_and_its_artifacts_find_each_other() {
    let workflow = &documents("github-hunt.yaml")[0];
    let shards: Vec<u64> = workflow["jobs"]["hunt"]["strategy"]["matrix"]["shard"]
        .as_array()
        .unwrap()
        .iter()
        .flat_map(Value::as_u64)
        .collect();
    assert_eq!(shards, (1..=workflow["env"]["SHARDS"].as_u64().unwrap()).collect::<Vec<_>>());
    assert_eq!(workflow["jobs"]["merge"]["needs"], "hunt");
    let steps = |job: &str| workflow["jobs"][job]["steps"].as_array().unwrap().clone();
    let using = |job: &str, action: &str| {
        let uses = |step: &&Value| step["uses"].as_str().is_some_and(|uses| uses.starts_with(action));
        steps(job).iter().find(uses).unwrap()["with"].clone()
    };
    let (kept, found) = (using("hunt", "actions/upload-artifact"), using("merge", "actions/download-artifact"));
    let prefix = found["pattern"].as_str().unwrap().trim_end_matches('*');
    assert!(kept["name"].as_str().unwrap().starts_with(prefix));
    let paths = kept["path"].as_str().unwrap();
    assert!(paths.contains("shard-*.json") && paths.contains("faultline-cases/"), "{paths}");
    // The scripts of the steps run, and together they are one hunt.
    let shell = Shell::new();
    let script = |job: &str, name: &str| {
        let step = steps(job).into_iter().find(|step| step["name"] == name).unwrap();
        step["run"].as_str().unwrap().to_owned()
    };
    let run = |script: &str, shard: u64| {
        let mut command = shell.command("bash");
        command.args(["-e", "-c", script]).env("SHARDS", shards.len().to_string()).env("SHARD", shard.to_string());
        command
            .env("SCENARIO", "scenario.json")
            .env("SEEDS", "40")
            .env("GITHUB_STEP_SUMMARY", "page.md")
            .output()
            .unwrap()
    };
    for shard in &shards {
        let job = run(&script("hunt", "Hunt"), *shard);
        assert!(job.status.success(), "{}", String::from_utf8_lossy(&job.stderr));
    }
    let merged = run(&script("merge", "Merge"), 0);
    assert_eq!(merged.status.code(), Some(1), "a hunt that found something fails the workflow");
    shell.check("40", &merged);
    let page = std::fs::read_to_string(shell.folder.path().join("page.md")).unwrap();
    assert!(page.starts_with("### small") && shell.folder.path().join("junit.xml").exists(), "{page}");
}

#[test]
fn commands_and_flags_in_the_examples_exist() {
    let shell = Shell::new();
    let mut seen = BTreeSet::new();
    for file in std::fs::read_dir(deploy()).unwrap() {
        let name = file.unwrap().file_name().into_string().unwrap();
        let text = text(&name);
        for line in text.lines().filter(|line| !line.starts_with('|')) {
            let words: Vec<&str> = line.split(|c: char| c.is_whitespace() || "`'\"".contains(c)).collect();
            for (at, pair) in words.windows(2).enumerate() {
                let command = pair[1];
                if pair[0] != "faultline" || !["hunt", "merge"].contains(&command) {
                    continue;
                }
                let flags = words[at..].iter().take_while(|word| !["||", ">", ";"].contains(word));
                seen.extend(
                    flags.filter(|word| word.starts_with("--")).map(|flag| (command.to_owned(), (*flag).to_owned())),
                );
            }
        }
    }
    assert!(seen.len() > 5, "{seen:?}");
    for (command, flag) in seen {
        let help = shell.command("faultline").args([&command, "--help"]).output().unwrap();
        let help = String::from_utf8(help.stdout).unwrap();
        assert!(help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n")), "{command} has no {flag}");
    }
}
