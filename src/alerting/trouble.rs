//! What can go wrong with the engine itself so that somebody must look: room that is used up, and people who are sent
//! away again and again.
//!
//! It is seen outside of the pure core, told to it by a journaled command, and alerted like anything else.

use serde::{Deserialize, Serialize};

use crate::alerting::Alert;
use crate::rules::{Severity, Text};

/// A trouble of the engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Trouble {
    /// The journal's disk has less free than is kept for commands and notices: new batches are refused.
    DiskLow,
    /// New producers are refused, for there is no room to remember them.
    ProducersFull,
    /// Messages, tickets or connections are refused, for there is no room for new ones.
    EntitiesFull,
    /// Facts of new dimension tuples are not counted, for there is no room for them.
    TuplesFull,
    /// No trigger is opened, for too many are open.
    TriggersFull,
    /// Notices that waited were given up, for too many wait.
    NoticesShed,
    /// Rows are left out of the history, go from it, or wait for it for so long that checkpoints do.
    HistoryShort,
    /// Checkpoints cannot be written: starts take longer and longer, and the journal is not cut.
    CheckpointFails,
    /// New sources are not told apart, for there is no room for them.
    SourcesFull,
    /// Many requests were refused for want of rights.
    AccessRefused,
    /// The rule book on disk is not accepted: the one before stays in force, also over a start.
    RulesRefused,
    /// The ledger of mails fails again and again: mails wait.
    LedgerFails,
    /// Checkpoints or journal segments are damaged that no start needs, or that this one passed over.
    FilesDamaged,
    /// Connections are turned away, or wait, for most of those that there may be are open.
    ConnectionsFull,
    /// Records of messages and deliveries are refused, and those of tickets and connections forgotten, for there is no room
    /// for more of them.
    RecordsFull,
}

impl Trouble {
    /// Every trouble.
    pub const ALL: [Trouble; 15] = [
        Trouble::DiskLow,
        Trouble::ProducersFull,
        Trouble::EntitiesFull,
        Trouble::TuplesFull,
        Trouble::TriggersFull,
        Trouble::NoticesShed,
        Trouble::HistoryShort,
        Trouble::CheckpointFails,
        Trouble::SourcesFull,
        Trouble::AccessRefused,
        Trouble::RulesRefused,
        Trouble::LedgerFails,
        Trouble::FilesDamaged,
        Trouble::ConnectionsFull,
        Trouble::RecordsFull,
    ];

    /// The name of its alert.
    pub const fn name(self) -> &'static str {
        match self {
            Trouble::DiskLow => "disk_low",
            Trouble::ProducersFull => "producers_full",
            Trouble::EntitiesFull => "entities_full",
            Trouble::TuplesFull => "tuples_full",
            Trouble::TriggersFull => "triggers_full",
            Trouble::NoticesShed => "notices_shed",
            Trouble::HistoryShort => "history_short",
            Trouble::CheckpointFails => "checkpoint_fails",
            Trouble::SourcesFull => "sources_full",
            Trouble::AccessRefused => "access_refused",
            Trouble::RulesRefused => "rules_refused",
            Trouble::LedgerFails => "ledger_fails",
            Trouble::FilesDamaged => "files_damaged",
            Trouble::ConnectionsFull => "connections_full",
            Trouble::RecordsFull => "records_full",
        }
    }

    /// The trouble that an alert is of.
    pub fn of(alert: &Alert) -> Option<Trouble> {
        Trouble::ALL
            .into_iter()
            .find(|trouble| alert.kqi.is_none() && alert.alert == trouble.name())
    }

    /// The limit that is met, by its key in the configuration.
    pub const fn limit(self) -> &'static str {
        match self {
            Trouble::DiskLow => "journal.disk_free_bytes_min",
            Trouble::ProducersFull => "journal.producers_max",
            Trouble::EntitiesFull => "limits.entities_max",
            Trouble::TuplesFull => "limits.tuples_max",
            Trouble::TriggersFull => "limits.open_triggers_max",
            Trouble::NoticesShed => "mail.queued_max",
            Trouble::HistoryShort => "history.bytes_max",
            Trouble::CheckpointFails => "checkpoint.interval_ms",
            Trouble::SourcesFull => "limits.sources_max",
            Trouble::AccessRefused => "http.access_refused_minute_max",
            Trouble::RulesRefused => "rules",
            Trouble::LedgerFails => "ledger",
            Trouble::FilesDamaged => "files",
            Trouble::ConnectionsFull => "http.connections_max",
            Trouble::RecordsFull => "limits.records_max",
        }
    }

    /// How bad it is: what costs every batch is worst.
    pub const fn severity(self) -> Severity {
        match self {
            Trouble::DiskLow => Severity::Critical,
            _ => Severity::Major,
        }
    }

    /// The title of its alert.
    pub fn title(self) -> Text {
        let (zh, en) = match self {
            Trouble::DiskLow => (
                "日志磁盘空间不足，新数据被拒收",
                "Journal disk low, new events are refused",
            ),
            Trouble::ProducersFull => (
                "生产者数量已满，新的被拒收",
                "Too many producers, new ones are refused",
            ),
            Trouble::EntitiesFull => (
                "消息、工单、连接数已满",
                "Too many messages, tickets or connections",
            ),
            Trouble::TuplesFull => ("维度组合数已满", "Too many dimension tuples"),
            Trouble::TriggersFull => ("未关闭的优化触发已满", "Too many open triggers"),
            Trouble::NoticesShed => (
                "待发通知过多，最早的被放弃",
                "Too many notices wait, the oldest are given up",
            ),
            Trouble::HistoryShort => ("历史记录不完整", "The history is short of rows"),
            Trouble::CheckpointFails => ("检查点写入失败", "Checkpoints cannot be written"),
            Trouble::SourcesFull => ("数据源数量已满", "Too many sources"),
            Trouble::AccessRefused => ("访问屡次被拒", "Access refused again and again"),
            Trouble::RulesRefused => (
                "规则手册有错误，未生效",
                "The rule book on disk is not accepted",
            ),
            Trouble::LedgerFails => ("邮件台账读写失败", "The ledger of mails fails"),
            Trouble::FilesDamaged => (
                "检查点或日志段已损坏",
                "Checkpoints or journal segments are damaged",
            ),
            Trouble::ConnectionsFull => ("连接数已满", "Too many connections"),
            Trouble::RecordsFull => (
                "消息、工单、连接的记录总数已满",
                "Too many records of messages, tickets or connections",
            ),
        };
        text(zh, en)
    }

    /// What it means, and what to do.
    pub fn meaning(self) -> Text {
        let (zh, en) = match self {
            Trouble::DiskLow => (
                "日志所在磁盘的剩余空间低于下限：新的数据批次被拒收（507）；低于下限的一倍半时，先拒收占用最多的生产者。查询、命令和通知照常。请清理磁盘，或调低 journal.retention_h。",
                "The disk of the journal has less free than its limit: new batches are refused (507), and from one and a half times the limit on those of whoever filled most of it; reads, commands and notices go on. Make room on the disk, or lower journal.retention_h.",
            ),
            Trouble::ProducersFull => (
                "已记住的生产者达到上限：新名称的批次被拒收（429），已知的照常。请检查是否有人不断更换名称，或调高 journal.producers_max。",
                "As many producers are remembered as may be: batches under new names are refused (429), known ones go on. Look for somebody who changes names all the time, or raise journal.producers_max.",
            ),
            Trouble::EntitiesFull => (
                "消息、工单、连接的数量达到上限：新的不再计入，现有的照常。请缩短 retention，或调高 limits.entities_max。",
                "As many messages, tickets and connections are held as may be: new ones are not counted. Shorten the retention, or raise limits.entities_max.",
            ),
            Trouble::TuplesFull => (
                "维度组合数达到上限：新组合的事实不再计入窗口。请检查数据中的维度取值，或调高 limits.tuples_max。",
                "As many dimension tuples are held as may be: facts of new ones are in no window. Look at the dimension values that are sent, or raise limits.tuples_max.",
            ),
            Trouble::TriggersFull => (
                "未关闭的优化触发达到上限：不再新开，告警邮件照发。请处理积压，或调高 limits.open_triggers_max。",
                "As many triggers are open as may be: none is opened, mails of alerts go out all the same. Work off what is open, or raise limits.open_triggers_max.",
            ),
            Trouble::NoticesShed => (
                "待发通知超过上限：最早的成为死信，可以重发（POST /v1/notices/resend）。请检查邮件服务器。",
                "More notices wait than may: the oldest are dead letters and can be sent again (POST /v1/notices/resend). Look at the mail server.",
            ),
            Trouble::HistoryShort => (
                "历史数据库跟不上或已达到大小上限：部分记录尚未写入（检查点因此推迟，重启会重新写入）或没有写入，或最早的已删除。/v1/status 的 checkpoint 与引擎日志说明是哪一种。请检查 history.url 或调高 history.bytes_max。",
                "The history does not keep up, or is as large as it may be: rows wait for it (checkpoints wait with them, and a start records them again), were left out, or the oldest are gone. /v1/status (checkpoint) and the log say which. Look at its database, or raise history.bytes_max.",
            ),
            Trouble::CheckpointFails => (
                "检查点无法写入：日志不再裁剪，重启需要重放更久，数据不会丢失。原因见引擎日志，通常是磁盘空间或权限。",
                "Checkpoints cannot be written: the journal is not cut and a start replays more and more of it; nothing is lost. The engine's log says why; most often it is the disk, or its permissions.",
            ),
            Trouble::SourcesFull => (
                "区分的数据源达到上限：新名称合并为所属流的无名数据源，无法单独发现其中断。请检查是否有人不断更换 source 名称。",
                "As many sources are told apart as may be: new ones count as their stream's unnamed one, and none of them is missed when it falls silent. Look for somebody who changes the name of its source all the time.",
            ),
            Trouble::AccessRefused => (
                "一分钟内被拒绝的请求（401、403：无令牌、令牌无效、权限不足、链接伪造）超过上限。peer 是其中最多的来源地址；每一次都在引擎日志中（access refused）。可能是令牌过期的采集程序，也可能有人在试探。",
                "More requests than the limit were refused within a minute (401, 403: no token, an unknown one, no right, a forged link). peer is the address that most of them came from; the engine's log has each of them (access refused). It may be a collector with an old token, or somebody who tries.",
            ),
            Trouble::RulesRefused => (
                "磁盘上的规则手册有错误：仍按之前的规则运行，重启后也是如此。错误及位置见 POST /v1/rules/reload 的回复、引擎日志，或运行 chrysalis check。改正后请重新加载。",
                "The rule book on disk has errors: the one before stays in force, also over a start. Where they are is in the answer to POST /v1/rules/reload, in the engine's log, and said by chrysalis check. Reload it when it is mended.",
            ),
            Trouble::LedgerFails => (
                "邮件台账（ledger.sqlite）读写失败，每秒重试：待发邮件可能延迟。原因见引擎日志，通常是磁盘空间或权限。",
                "The ledger of mails (ledger.sqlite) fails and is tried again each second: mails may wait. The engine's log says why; most often it is the disk, or its permissions.",
            ),
            Trouble::FilesDamaged => (
                "检查点或日志段已损坏：本次启动跳过了损坏的检查点（改名为 .aside）并多回放了日志，或是运行不需要的旧文件。目前数据不缺，但其余文件再损坏时将无法回退。请检查磁盘；文件名见引擎日志，或运行 chrysalis journal verify，请从备份放回。",
                "Checkpoints or journal segments are damaged: a checkpoint that this start passed over (it is set aside, and more of the journal was replayed), or older files that it did not need. Nothing is missing now, but there is less to fall back to. Look at the disk; the engine's log and chrysalis journal verify name the files; put them back from a copy.",
            ),
            Trouble::ConnectionsFull => (
                "打开的连接接近上限：占用过多的地址被拒（429），其余照常。请检查是否有程序不断打开连接，或调高 http.connections_max。",
                "Most of the connections that there may be are open: addresses that have more than their share are turned away (429), the others go on. Look for a program that opens connections and keeps them, or raise http.connections_max.",
            ),
            Trouble::RecordsFull => (
                "消息、工单、连接的记录总数达到上限：消息的新提交和新报告不再计入，工单和连接只保留最近的变化。请检查是否有消息的收件人过多，或缩短 retention、调高 limits.records_max。",
                "As many records of messages, tickets and connections are held as may be: further submissions and reports are not counted, and of tickets and connections only the newest changes are kept. Look for messages with very many recipients, shorten the retention, or raise limits.records_max.",
            ),
        };
        text(zh, en)
    }
}

fn text(zh: &str, en: &str) -> Text {
    Text {
        zh: zh.to_owned(),
        en: en.to_owned(),
    }
}
