//! Who sits at this terminal.

/// Returns the login name of whoever runs this program: by the user id, which nobody can set, then as the environment says.
pub fn person() -> String {
    let uid = rustix::process::getuid().as_raw();
    let users = std::fs::read_to_string("/etc/passwd").unwrap_or_default();
    let environment = || std::env::var("USER").or_else(|_| std::env::var("LOGNAME")).ok();
    name_of(&users, uid).or_else(environment).unwrap_or_else(|| format!("uid {uid}"))
}

/// Finds a user in the text of a passwd file.
fn name_of(users: &str, uid: u32) -> Option<String> {
    let mut lines = users.lines().map(|line| line.split(':'));
    lines.find_map(|mut fields| {
        let (name, id) = (fields.next()?, fields.nth(1)?);
        (id.parse() == Ok(uid) && !name.is_empty()).then(|| name.to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_by_its_number() {
        let users = "root:x:0:0:root:/root:/bin/bash\nodd line\nada:x:1000:1000::/home/ada:/bin/sh\n";
        assert_eq!(name_of(users, 1000).as_deref(), Some("ada"));
        assert_eq!(name_of(users, 7), None);
        assert!(!person().is_empty());
    }
}
