//! The rules, checked against what the world knows of processes. Their numbers are those of `assets/INVARIANTS.md`.

use ostler::model::ids::{JobId, NodeId, RankKey, RankRole};
use ostler::model::snapshot::{Change, RowKey};
use ostler::model::state::{ExecutionState, Job, Proof, RankState, Reach};

use super::World;

impl World {
    pub(super) fn check_start(&mut self, name: &str, key: RankKey, boot: u64) {
        let before = self.starts.insert(key, (name.to_owned(), boot));
        assert!(before.is_none(), "I02: {key} was started on {before:?} and again on {name}");
        for (other, host) in &self.hosts {
            for alive in host.alive() {
                let same_job = alive.job == key.job && alive.attempt != key.attempt;
                assert!(!same_job, "I01: {key} starts on {name} while {alive} lives on {other}");
            }
        }
        let newest = self.starts.keys().filter(|k| k.job == key.job).map(|k| k.attempt).max();
        assert!(newest <= Some(key.attempt), "I03: {key} starts after a later attempt");
    }

    /// What is shown and believed is what the disk holds.
    pub(super) fn check_written(&self, key: RowKey, change: &Change) {
        self.disk.with(|disk| match (key, change) {
            // How a queue of others stands is looked at, not kept.
            (RowKey::Site(_), _) => {}
            (_, Change::Gone(_)) => assert!(!disk.rows.contains_key(&key), "I11: {key:?} is gone and on the disk"),
            (_, row) => assert_eq!(disk.rows.get(&key), Some(row), "I11: what is believed is what is on the disk"),
        });
    }

    /// An order goes out: the core must believe that it arrives.
    pub(super) fn check_order(&self, node: NodeId) {
        let Some(engine) = self.engine.as_ref() else { return };
        let row = engine.sched().nodes().get(&node);
        let seen = row.is_some_and(|row| row.reach == Reach::Seen);
        assert!(seen, "I26: an order for {node} that is not in sight: {row:#?}");
    }

    /// When all is over: what wrote its end is not said to have been lost, and no end is said to be another.
    pub fn check_ends(&self, job: &Job) {
        for (rank, run) in &job.last.ranks {
            let key = RankKey { job: job.id, attempt: job.attempt, rank: *rank };
            let (RankState::Gone(proof), Some(wrote)) = (&run.state, self.exits.get(&key)) else { continue };
            match proof {
                Proof::Exit { code, .. } | Proof::Told { code, .. } => assert_eq!(code, wrote, "I32: the end of {key}"),
                // Its machine, and with it the record, may be gone for good.
                Proof::MachineGone | Proof::DeclaredDead { .. } => {}
                proof => panic!("I08: {key} wrote that it exited with {wrote}, and is said to be {proof:?}"),
            }
        }
    }

    pub(super) fn check_change(&mut self, key: RowKey, change: &Change) {
        let (RowKey::Job(id), Change::Job(job)) = (key, change) else { return };
        let before = self.attempts.insert(id, job.attempt);
        if before.is_some_and(|before| before < job.attempt) {
            let old = |key: &RankKey| key.job == id && key.attempt < job.attempt;
            for (name, host) in &self.hosts {
                let alive = host.alive().find(old);
                assert!(alive.is_none(), "I12: {id} has a new attempt while {alive:?} lives on {name}");
            }
        }
        if self.reopened.remove(&id) {
            self.ended.remove(&id);
        }
        if let Some((attempt, state, code)) = self.ended.get(&id) {
            let same = (*attempt, *state, *code) == (job.attempt.0, job.state, job.last.exit_code);
            assert!(same, "I05: {id} had ended as {state:?} {code:?} and is now {:?} {:?}", job.state, job.last.exit_code);
        }
        if !job.state.ended() {
            return;
        }
        for (name, host) in &self.hosts {
            let alive = host.alive().find(|alive| alive.job == id);
            assert!(alive.is_none(), "I06: {id} has ended while {alive:?} lives on {name}");
        }
        if let Some(code) = job.last.exit_code {
            let wrote = |key: &RankKey| key.job == id && key.attempt == job.attempt && key.rank.role != RankRole::Daemon;
            let true_code = self.exits.iter().any(|(key, c)| wrote(key) && *c == code);
            assert!(true_code, "I07, I08: {id} is said to have exited with {code}, which none of its processes did");
        }
        if job.state == ExecutionState::Succeeded {
            assert_eq!(job.last.exit_code, Some(0), "I07: {id} succeeded with another code");
        }
        self.ended.insert(id, (job.attempt.0, job.state, job.last.exit_code));
    }

    /// After a crash: everything that was answered is there.
    pub(super) fn check_durable(&mut self) {
        for (token, id) in &self.accepted {
            let there = self.disk.row(*id);
            let gone_by_wish = self.reopened.contains(id) || self.deleted(*id);
            assert!(there.is_some() || gone_by_wish, "I04: {id} of token {token} was accepted and is lost");
        }
        for (id, (attempt, state, code)) in &self.ended {
            if let Some(job) = self.disk.row(*id)
                && !self.reopened.contains(id)
            {
                let same = (job.attempt.0, job.state, job.last.exit_code) == (*attempt, *state, *code);
                assert!(same, "I05: the end of {id} was lost in a crash");
            }
        }
    }

    pub(super) fn deleted(&self, id: JobId) -> bool {
        self.faults.deleted.contains(&id)
    }
}
