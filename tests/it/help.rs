//! Help, man page, completions and reference: each names every command and every option there is.

use std::process::Command;

use clap::CommandFactory;
use hookstream::cli::Cli;
use hookstream::command::man_page;

use crate::support::skip::skip;

/// Every command by its path, such as `topics list`, with the long names of its options.
fn commands() -> Vec<(String, Vec<String>)> {
    fn walk(command: &clap::Command, above: &str, all: &mut Vec<(String, Vec<String>)>) {
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            let path = format!("{above}{}", inner.get_name());
            let options = inner.get_arguments().filter_map(|argument| argument.get_long().map(str::to_owned)).collect();
            all.push((path.clone(), options));
            walk(inner, &format!("{path} "), all);
        }
    }
    let mut command = Cli::command();
    command.build();
    let mut all = Vec::new();
    walk(&command, "", &mut all);
    all
}

fn hookstream(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_hookstream")).args(arguments).output().unwrap();
    assert!(output.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn help_names_every_command_and_option() {
    let all = commands();
    assert!(all.len() >= 13, "{all:?}");
    let overview = hookstream(&["--help"]);
    for (path, options) in &all {
        if !path.contains(' ') {
            let named = overview.lines().any(|line| line.split_whitespace().next() == Some(path));
            assert!(named, "{path} is not in\n{overview}");
        }
        let mut arguments: Vec<&str> = path.split(' ').collect();
        arguments.push("--help");
        let help = hookstream(&arguments);
        assert!(help.contains(&format!("hookstream {path}")), "{help}");
        assert!(help.lines().all(|line| line.chars().count() <= 105), "wider than a screen:\n{help}");
        for option in options {
            assert!(help.contains(&format!("--{option}")), "{path} --{option}");
        }
    }
}

#[test]
fn the_man_page_names_every_command_and_option() {
    let page = man_page().unwrap();
    assert_eq!(hookstream(&["man"]), page);
    for (path, options) in commands() {
        let heading = format!(".SH \"HOOKSTREAM {}\"\n", path.to_uppercase());
        let (_, section) = page.split_once(&heading).unwrap_or_else(|| panic!("{path} has no section"));
        let section = section.split_once("\n.SH ").map_or(section, |(section, _)| section);
        let global =
            |option: &&String| !matches!(option.as_str(), "config" | "log-format" | "log-level" | "help" | "version");
        for option in options.iter().filter(global) {
            let escaped = option.replace('-', "\\-");
            assert!(section.contains(&format!("\\-\\-{escaped}")), "{path} --{option} in\n{section}");
        }
    }
    assert!(!page.contains("\\-help(1)"), "no page that does not exist is named");
}

#[test]
fn the_man_page_is_sound_roff() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), man_page().unwrap()).unwrap();
    match Command::new("groff").args(["-man", "-Tascii", "-ww", "-z"]).arg(file.path()).output() {
        Err(error) => skip(&format!("groff cannot be run: {error}")),
        Ok(output) => {
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(output.status.success() && said.is_empty(), "{said}");
        }
    }
}

#[test]
fn completions_know_every_command() {
    for shell in ["bash", "zsh", "fish", "powershell", "elvish"] {
        let script = hookstream(&["completions", shell]);
        for (path, _) in commands() {
            let name = path.split(' ').next_back().unwrap();
            assert!(script.contains(name), "{shell}: {name}");
        }
    }
}
