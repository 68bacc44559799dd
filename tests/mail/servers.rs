//! Real mail servers for one test: Postfix and Dovecot on loopback, in a folder that goes with them.
//!
//! Every process is its own group and is stopped by its id when the value is dropped, whatever the
//! test did. A part that is missing is said with the command that installs it.

use std::io::{BufRead, BufReader};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// Account of the engine, and its password.
pub(crate) const ACCOUNT: (&str, &str) = ("chrysalis", "correct horse 电池");
/// Password of the mailboxes.
pub(crate) const MAILBOX_PASSWORD: &str = "reader";

/// A process that is gone when this is.
pub(crate) struct Process {
    name: &'static str,
    child: Child,
}

impl Process {
    /// Starts a command as the leader of its own process group.
    pub(crate) fn start(name: &'static str, command: &mut Command) -> Process {
        let child = command.process_group(0).stdin(Stdio::null()).spawn();
        Process {
            name,
            child: child.unwrap_or_else(|error| panic!("cannot start {name}: {error}")),
        }
    }

    /// Waits until the process listens on a port.
    pub(crate) fn until_listening(&mut self, port: u16) {
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).is_err() {
            if let Some(status) = self.child.try_wait().unwrap() {
                panic!("{} ended at once: {status}", self.name);
            }
            assert!(
                Instant::now() < deadline,
                "{} never listened on port {port}",
                self.name
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // The group, for servers fork; its leader's id is ours because `start` made it one.
        let group = format!("-{}", self.child.id());
        for signal in ["-TERM", "-KILL"] {
            let _ = Command::new("kill")
                .args([signal, "--", &group])
                .stderr(Stdio::null())
                .status();
            let deadline = Instant::now() + Duration::from_secs(5);
            while Instant::now() < deadline {
                if !matches!(self.child.try_wait(), Ok(None)) {
                    return;
                }
                std::thread::sleep(Duration::from_millis(20));
            }
        }
    }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

/// Fails, saying how to get it, unless all the parts are there.
pub(crate) fn require_parts() {
    let parts = [
        "postfix",
        "postconf",
        "smtp-sink",
        "dovecot",
        "openssl",
        "python3",
    ];
    let missing: Vec<&str> = parts
        .into_iter()
        .filter(|part| find(part).is_none())
        .collect();
    assert!(
        missing.is_empty(),
        "this test starts real mail servers, and these are not installed: {}\n\
         install them with: tests/mail/install.sh",
        missing.join(" ")
    );
    let uid = Command::new("id").arg("-u").output().unwrap();
    assert_eq!(
        uid.stdout, b"0\n",
        "postfix starts only as root: run this test as root"
    );
}

fn find(part: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    path.split(':')
        .map(|folder| Path::new(folder).join(part))
        .find(|file| file.is_file())
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Vec<u8> {
    let output = command
        .output()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        output.status.success(),
        "{command:?}: {}\n{said}",
        output.status
    );
    output.stdout
}

/// Postfix with STARTTLS and AUTH required, Dovecot behind it.
pub(crate) struct MailServer {
    // Fields are dropped in this order: processes before their folder.
    _postfix: Process,
    _dovecot: Process,
    folder: TempDir,
    /// SMTP, in the clear until STARTTLS.
    pub(crate) smtp_port: u16,
    /// IMAP.
    #[allow(dead_code, reason = "not every test reads back by IMAP")]
    pub(crate) imap_port: u16,
}

impl MailServer {
    /// Starts both, with mailboxes for these addresses.
    pub(crate) fn start(mailboxes: &[&str]) -> MailServer {
        require_parts();
        let folder = tempfile::Builder::new()
            .prefix("chrysalis-mail-")
            .tempdir()
            .unwrap();
        let root = folder.path();
        // The servers' own users walk through it.
        std::fs::set_permissions(root, std::fs::Permissions::from_mode(0o755)).unwrap();
        certificates(root);
        let ports = Ports {
            smtp: free_port(),
            lmtp: free_port(),
            auth: free_port(),
            imap: free_port(),
        };
        let mut dovecot = start_dovecot(root, &ports, mailboxes);
        for port in [ports.lmtp, ports.auth, ports.imap] {
            dovecot.until_listening(port);
        }
        let mut postfix = start_postfix(root, &ports, mailboxes);
        postfix.until_listening(ports.smtp);
        MailServer {
            _postfix: postfix,
            _dovecot: dovecot,
            smtp_port: ports.smtp,
            imap_port: ports.imap,
            folder,
        }
    }

    /// The authority that signed the server's certificate.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("ca.pem")
    }

    /// A file that holds a password.
    pub(crate) fn password_file(&self, name: &str, password: &str) -> PathBuf {
        let path = self.folder.path().join(name);
        std::fs::write(&path, format!("{password}\n")).unwrap();
        path
    }

    /// Waits until Postfix has handed on so many mails, and reads a mailbox with Python.
    #[allow(dead_code, reason = "not every test reads back by IMAP")]
    pub(crate) fn read_back(&self, mailbox: &str, count: usize) -> Vec<serde_json::Value> {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/mail/read_back.py");
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let port = self.imap_port.to_string();
            let mut python = Command::new("python3");
            let read = run(python.arg(&script).args([&port, mailbox, MAILBOX_PASSWORD]));
            let messages: Vec<serde_json::Value> = serde_json::from_slice(&read).unwrap();
            if messages.len() >= count {
                return messages;
            }
            assert!(
                Instant::now() < deadline,
                "{mailbox} has no {count} mails:\n{}",
                self.logs()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// What a mailbox holds, read from its files: the Message-ID and the reason of each mail, also of copies.
    #[allow(dead_code, reason = "not every test counts copies")]
    pub(crate) fn mails(&self, mailbox: &str) -> Vec<(String, String)> {
        let folder = self.folder.path().join("mail").join(mailbox);
        let mut mails = Vec::new();
        for part in ["new", "cur"] {
            // None before the first mail.
            let files = std::fs::read_dir(folder.join(part)).into_iter().flatten();
            for file in files {
                let bytes = std::fs::read(file.unwrap().path()).unwrap();
                let text = String::from_utf8_lossy(&bytes);
                let head = text.split("\n\n").next().unwrap_or_default();
                let head = head.replace("\n ", " ").replace("\n\t", " ");
                let field = |name: &str| {
                    let mut lines = head.lines();
                    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    value.unwrap_or_default().trim().to_owned()
                };
                mails.push((field("Message-ID"), field("X-Chrysalis-Reason")));
            }
        }
        mails
    }

    /// The last lines of what the servers logged.
    pub(crate) fn logs(&self) -> String {
        let mut text = String::new();
        for name in ["mail.log", "dovecot.log"] {
            if let Ok(file) = std::fs::File::open(self.folder.path().join(name)) {
                let lines: Vec<String> =
                    BufReader::new(file).lines().map_while(Result::ok).collect();
                text += &format!(
                    "{name}:\n{}\n",
                    lines[lines.len().saturating_sub(30)..].join("\n")
                );
            }
        }
        text
    }
}

struct Ports {
    smtp: u16,
    lmtp: u16,
    auth: u16,
    imap: u16,
}

/// An authority, and a certificate of it for 127.0.0.1: an authority's own is no server's certificate.
fn certificates(root: &Path) {
    let openssl = |args: &[&str]| run(Command::new("openssl").current_dir(root).args(args));
    std::fs::write(
        root.join("server.ext"),
        "subjectAltName=IP:127.0.0.1\nbasicConstraints=CA:FALSE\n",
    )
    .unwrap();
    let new_key = [
        "-newkey",
        "ec",
        "-pkeyopt",
        "ec_paramgen_curve:prime256v1",
        "-nodes",
    ];
    let ca = [
        "-x509",
        "-days",
        "2",
        "-subj",
        "/CN=Chrysalis test CA",
        "-keyout",
        "ca.key",
        "-out",
        "ca.pem",
    ];
    openssl(&[&["req"], &new_key[..], &ca[..]].concat());
    let request = [
        "-subj",
        "/CN=127.0.0.1",
        "-keyout",
        "server.key",
        "-out",
        "server.csr",
    ];
    openssl(&[&["req"], &new_key[..], &request[..]].concat());
    openssl(&[
        "x509",
        "-req",
        "-in",
        "server.csr",
        "-CA",
        "ca.pem",
        "-CAkey",
        "ca.key",
        "-CAcreateserial",
        "-days",
        "2",
        "-extfile",
        "server.ext",
        "-out",
        "server.pem",
    ]);
}

fn start_dovecot(root: &Path, ports: &Ports, mailboxes: &[&str]) -> Process {
    let users: String = mailboxes
        .iter()
        .map(|user| (*user, MAILBOX_PASSWORD))
        .chain([ACCOUNT])
        .map(|(user, password)| format!("{user}:{{PLAIN}}{password}\n"))
        .collect();
    std::fs::write(root.join("users"), users).unwrap();
    let mail = root.join("mail");
    std::fs::create_dir(&mail).unwrap();
    run(Command::new("chown").arg("nobody:nogroup").arg(&mail));
    let Ports {
        lmtp, auth, imap, ..
    } = ports;
    let root = root.display();
    let config = format!(
        "base_dir = {root}/dovecot\n\
         log_path = {root}/dovecot.log\n\
         protocols = imap lmtp\n\
         listen = 127.0.0.1\n\
         ssl = no\n\
         disable_plaintext_auth = no\n\
         auth_mechanisms = plain login\n\
         first_valid_uid = 1\n\
         mail_location = maildir:{root}/mail/%u\n\
         postmaster_address = postmaster@example.com\n\
         passdb {{\n driver = passwd-file\n args = {root}/users\n}}\n\
         userdb {{\n driver = static\n args = uid=nobody gid=nogroup home={root}/mail/%u\n}}\n\
         service auth {{\n inet_listener {{\n  port = {auth}\n }}\n}}\n\
         service lmtp {{\n inet_listener lmtp {{\n  port = {lmtp}\n }}\n}}\n\
         service imap-login {{\n inet_listener imap {{\n  port = {imap}\n }}\n \
         inet_listener imaps {{\n  port = 0\n }}\n}}\n"
    );
    let path = format!("{root}/dovecot.conf");
    std::fs::write(&path, config).unwrap();
    let program = find("dovecot").unwrap();
    Process::start("dovecot", Command::new(program).args(["-F", "-c", &path]))
}

fn start_postfix(root: &Path, ports: &Ports, mailboxes: &[&str]) -> Process {
    let config = root.join("postfix");
    for folder in ["postfix", "queue", "data"] {
        std::fs::create_dir(root.join(folder)).unwrap();
    }
    run(Command::new("chown").arg("postfix").arg(root.join("data")));
    let known: String = mailboxes
        .iter()
        .map(|user| format!(" {{{user} = yes}},"))
        .collect();
    let Ports {
        smtp, lmtp, auth, ..
    } = ports;
    let show = root.display();
    let main = format!(
        "compatibility_level = 3.6\n\
         queue_directory = {show}/queue\n\
         data_directory = {show}/data\n\
         maillog_file = {show}/mail.log\n\
         maillog_file_prefixes = {show}\n\
         mail_owner = postfix\n\
         setgid_group = postdrop\n\
         inet_interfaces = 127.0.0.1\n\
         inet_protocols = ipv4\n\
         myhostname = mail.example.com\n\
         mydestination =\n\
         alias_maps =\n\
         virtual_mailbox_domains = example.com\n\
         virtual_mailbox_maps = inline:{{{known} }}\n\
         virtual_transport = lmtp:inet:127.0.0.1:{lmtp}\n\
         smtpd_tls_security_level = encrypt\n\
         smtpd_tls_cert_file = {show}/server.pem\n\
         smtpd_tls_key_file = {show}/server.key\n\
         smtpd_tls_received_header = yes\n\
         smtpd_sasl_auth_enable = yes\n\
         smtpd_sasl_type = dovecot\n\
         smtpd_sasl_path = inet:127.0.0.1:{auth}\n\
         smtpd_relay_restrictions = permit_sasl_authenticated, reject\n\
         smtpd_recipient_restrictions = reject_unlisted_recipient, permit_sasl_authenticated, reject\n"
    );
    std::fs::write(config.join("main.cf"), main).unwrap();
    let service = |name: &str, kind: &str, private: &str, limit: &str, command: &str| {
        format!("{name} {kind} {private} - n - {limit} {command}\n")
    };
    let mut master = service(&format!("127.0.0.1:{smtp}"), "inet", "n", "-", "smtpd");
    master += "qmgr unix n - n 300 1 qmgr\n";
    master += &service("cleanup", "unix", "n", "0", "cleanup");
    master += &service("tlsmgr", "unix", "-", "1", "tlsmgr");
    master += &service("postlog", "unix-dgram", "n", "1", "postlogd");
    master += &service("rewrite", "unix", "-", "-", "trivial-rewrite");
    for (name, command) in [
        ("bounce", "bounce"),
        ("defer", "bounce"),
        ("trace", "bounce"),
    ] {
        master += &service(name, "unix", "-", "0", command);
    }
    for (name, command) in [
        ("lmtp", "lmtp"),
        ("error", "error"),
        ("retry", "error"),
        ("anvil", "anvil"),
        ("proxymap", "proxymap"),
    ] {
        master += &service(name, "unix", "-", "-", command);
    }
    std::fs::write(config.join("master.cf"), master).unwrap();
    let postfix = find("postfix").unwrap();
    run(Command::new(postfix).arg("-c").arg(&config).arg("check"));
    let daemons = run(Command::new(find("postconf").unwrap()).args(["-dh", "daemon_directory"]));
    let daemons = String::from_utf8(daemons).unwrap();
    let program = Path::new(daemons.trim()).join("master");
    Process::start(
        "postfix",
        Command::new(program).arg("-d").arg("-c").arg(&config),
    )
}
