// Package inspecttest keeps recorded hosts: the files of /proc and /sys that
// kwhy reads, as one text archive (txtar), because raw trees cannot be
// committed.
//
// The names in an archive begin with proc/ or sys/. What txtar cannot hold is
// written so:
//
//   - NAME.link is a symbolic link NAME; its text is the target.
//   - NAME/ is an empty directory.
//   - A file whose first line is #denied gets mode 0000. Root reads it all the
//     same, and then finds what follows that line.
//   - A file whose text is #empty, or that has none, is empty.
//   - A file whose last line is #nonl ends without a newline: that line and the
//     newline before it are no part of it.
//   - In files named cmdline and environ the character ␀ (U+2400) is a NUL byte.
//
// [Pack] and [Record] refuse what does not come back from that byte for byte:
// a name with a newline or with blanks at its ends, a text with a line that
// txtar takes for a file's name, a command line with a ␀ of its own. Such names
// are a process's or a cgroup's free choice, so that the refusal is not only
// theory.
//
// They are read at one moment, [Now]. Besides, it makes what live tests of several
// packages look at: [Connection].
package inspecttest
