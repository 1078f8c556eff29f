//! Commands of templates, run on this machine where the configuration allows it.

use std::process::Stdio;
use std::time::Duration;

use occopus_template::CommandRunner;
use tokio::io::AsyncReadExt;
use tokio::process::Command;
use tokio::runtime::{Builder, Handle, RuntimeFlavor};
use tokio::time::timeout;

/// Longest run of a command.
const DEADLINE: Duration = Duration::from_secs(30);

/// Most bytes that a command may write.
const MAX_OUTPUT: u64 = 64 << 10;

/// Runs commands as the user of this process, without a shell and without input.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HostCommands;

impl CommandRunner for HostCommands {
    fn run(&self, words: &[&str]) -> Result<String, String> {
        let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
        // A thread with a runtime of its own, because a task may not block on the runtime it runs on.
        let run = || {
            let thread = std::thread::spawn(move || {
                let runtime = Builder::new_current_thread().enable_all().build();
                runtime.map_err(|error| error.to_string())?.block_on(output(&words))
            });
            thread.join().unwrap_or_else(|_| Err("nobody waited for it".to_owned()))
        };
        match Handle::try_current().map(|runtime| runtime.runtime_flavor()) {
            // The other tasks of this thread move to another one meanwhile.
            Ok(RuntimeFlavor::MultiThread) => tokio::task::block_in_place(run),
            _ => run(),
        }
    }
}

/// The output of a command that ends well, in time, and says little enough.
async fn output(words: &[String]) -> Result<String, String> {
    let (program, arguments) = words.split_first().ok_or("it is empty")?;
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| error.to_string())?;
    let stdout = child.stdout.take().ok_or("its output cannot be read")?;
    let finish = async {
        let mut bytes = Vec::new();
        let read = stdout.take(MAX_OUTPUT + 1).read_to_end(&mut bytes).await;
        if read.map_err(|error| error.to_string())? as u64 > MAX_OUTPUT {
            return Err(format!("it wrote more than {} KiB", MAX_OUTPUT >> 10));
        }
        let status = child.wait().await.map_err(|error| error.to_string())?;
        if status.success() { Ok(bytes) } else { Err(status.to_string()) }
    };
    let bytes = timeout(DEADLINE, finish)
        .await
        .map_err(|_| format!("it did not end within {} s", DEADLINE.as_secs()))??;
    String::from_utf8(bytes).map_err(|_| "its output is no UTF-8".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_output_of_a_command_is_its_result() {
        assert_eq!(HostCommands.run(&["printf", "%s|", "a", "$HOME", "b c"]), Ok("a|$HOME|b c|".to_owned()));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn other_tasks_go_on_while_a_command_runs() {
        let (tell, told) = std::sync::mpsc::channel();
        let folder = tempfile::tempdir().unwrap();
        let pipe = folder.path().join("pipe");
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        let reader = pipe.clone();
        let running = tokio::spawn(async move {
            tell.send(()).unwrap();
            HostCommands.run(&["cat", reader.to_str().unwrap()])
        });
        told.recv().unwrap();
        // The command ends only if this task still runs: there is one worker, and it is in the command.
        let write = tokio::spawn(async move { tokio::fs::write(pipe, "hello").await });
        write.await.unwrap().unwrap();
        assert_eq!(running.await.unwrap(), Ok("hello".to_owned()));
    }

    #[test]
    fn a_command_that_fails_says_how() {
        assert_eq!(HostCommands.run(&["false"]), Err("exit status: 1".to_owned()));
        assert!(HostCommands.run(&["/nowhere/at/all"]).unwrap_err().contains("No such file"));
        assert!(HostCommands.run(&["printf", "\\377"]).unwrap_err().contains("UTF-8"));
    }

    #[test]
    fn endless_output_is_cut_off() {
        assert_eq!(HostCommands.run(&["yes"]), Err("it wrote more than 64 KiB".to_owned()));
    }
}
