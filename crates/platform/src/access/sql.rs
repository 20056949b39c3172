//! Statements of login links and sessions.

tidewaiter_db::statements! {
    /// A new one-time link.
    ADD_LINK = "INSERT INTO login_links (hash, expires_at) VALUES ($1, $2)";
    /// Takes a link, so that nobody else can.
    TAKE_LINK = "DELETE FROM login_links WHERE hash = $1 AND expires_at > $2";
    /// A new session.
    ADD_SESSION = "INSERT INTO sessions (hash, created_at, expires_at) VALUES ($1, $2, $3)";
    /// A session that is valid now.
    SESSION = "SELECT expires_at FROM sessions WHERE hash = $1 AND expires_at > $2";
    /// Ends a session.
    END_SESSION = "DELETE FROM sessions WHERE hash = $1";
    /// Forgets links that nobody used in time.
    DROP_LINKS = "DELETE FROM login_links WHERE expires_at <= $1";
    /// Forgets sessions that are over.
    DROP_SESSIONS = "DELETE FROM sessions WHERE expires_at <= $1";
}
