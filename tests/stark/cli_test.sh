#!/usr/bin/env bash
#
# cli_test.sh - the two programs as a user meets them: messages, files, exits.
#
#     cli_test.sh ZKPROVE ZKVERIFY

set -u

zkprove=$1
zkverify=$2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work" || exit 1
failures=0

# patched AT BYTE NAME: a.proof with one byte changed, in octal.
patched()
{
    cp a.proof "$3"
    printf %b "\\0$2" | dd of="$3" bs=1 seek="$1" conv=notrunc status=none
}

# expect STATUS WHAT COMMAND...: runs it and compares the exit status.
expect()
{
    local want=$1 what=$2 got
    shift 2
    "$@" >stdout 2>stderr
    got=$?
    if [[ $got -ne $want ]]; then
        echo "FAILED: $what: exit $got instead of $want" >&2
        sed 's/^/    /' stdout stderr >&2
        failures=$((failures + 1))
    fi
}

# said WHERE PATTERN WHAT: what the last command printed.
said()
{
    if ! grep -q -- "$2" "$1"; then
        echo "FAILED: $3: '$2' is not in $1:" >&2
        sed 's/^/    /' "$1" >&2
        failures=$((failures + 1))
    fi
}

holds()
{
    local what=$1
    shift
    if ! "$@"; then
        echo "FAILED: $what" >&2
        failures=$((failures + 1))
    fi
}

printf 'a letter' >letter
printf 'another letter' >other

expect 0 'a file is proved' "$zkprove" letter -o a.proof
said stdout 'trace' 'the table names the stages'
said stdout 'total' 'the table has a total'
said stdout 'security .* bits' 'the bits are printed'
expect 0 'its proof is accepted' "$zkverify" a.proof.digest a.proof
said stdout 'accepted: a string of 8 bytes' 'the statement is printed'
holds 'the digest has 64 digits and a newline' \
    test "$(stat -c %s a.proof.digest)" -eq 65

expect 0 'another file is proved' "$zkprove" other -o b.proof --quiet
holds 'quiet prints nothing' test ! -s stdout
expect 1 'the proof of another file is refused' \
    "$zkverify" a.proof.digest b.proof
said stderr 'refused: ' 'a refusal says so'

head -c 1000 a.proof >short.proof
expect 1 'a truncated proof is refused' "$zkverify" a.proof.digest short.proof
said stderr 'ends too early' 'and told apart'
{ cat a.proof; printf x; } >long.proof
expect 1 'a longer proof is refused' "$zkverify" a.proof.digest long.proof
head -c 2000000 /dev/zero >huge.proof
expect 1 'a huge proof is refused' "$zkverify" a.proof.digest huge.proof
: >empty
expect 1 'an empty proof is refused' "$zkverify" a.proof.digest empty

# Bytes of the header, see FORMAT.md.
patched 0 000 magic.proof
expect 1 'a file of another kind is refused' \
    "$zkverify" a.proof.digest magic.proof
said stderr 'refused: this is not a proof' 'and why'
patched 8 002 version.proof
expect 1 'another version is refused' "$zkverify" a.proof.digest version.proof
said stderr 'refused: the proof has another version' 'and why'
for at in 9 10 11 12 13 14; do
    patched "$at" 001 other.proof
    expect 1 'other parameters are refused' \
        "$zkverify" a.proof.digest other.proof
    said stderr 'refused: the proof was made with other parameters' 'and why'
done
for rows in 000 007 011 022 023 100 377; do
    patched 15 "$rows" rows.proof
    expect 1 'another degree is refused' "$zkverify" a.proof.digest rows.proof
    said stderr 'refused: the proof claims a trace of a wrong length' 'and why'
done
patched 23 377 long.proof
expect 1 'a length out of range is refused' \
    "$zkverify" a.proof.digest long.proof
said stderr 'refused: the proof claims a file longer than the limit' 'and why'

expect 2 'no argument is wrong usage' "$zkverify"
expect 2 'a missing proof is unreadable' "$zkverify" a.proof.digest none
said stderr 'No such file' 'and the reason is told'
expect 2 'a missing digest is unreadable' "$zkverify" none a.proof
expect 2 'an empty digest is unreadable' "$zkverify" empty a.proof
expect 2 'a directory is no proof' "$zkverify" a.proof.digest .
tr 0-9 g <a.proof.digest >bad.digest
expect 2 'letters are no digits' "$zkverify" bad.digest a.proof

expect 2 'a missing file is unreadable' "$zkprove" none -o c.proof
said stderr 'cannot read none' 'and named'
expect 2 'a directory is unreadable' "$zkprove" . -o c.proof
# Root may open what it likes, but nobody can read this one's first page.
expect 2 'a file whose reading fails is unreadable' \
    "$zkprove" /proc/self/mem -o c.proof
said stderr 'cannot read /proc/self/mem: Input/output error' 'and why'
expect 2 'so is a proof' "$zkverify" a.proof.digest /proc/self/mem
said stderr 'cannot read /proc/self/mem: Input/output error' 'and why'
if ((EUID != 0)); then
    : >locked
    chmod 0 locked
    expect 2 'a forbidden file is unreadable' "$zkprove" locked -o c.proof
    said stderr 'cannot read locked: Permission denied' 'and why'
fi
expect 2 'no output is wrong usage' "$zkprove" letter
expect 2 'no file is wrong usage' "$zkprove" -o c.proof
expect 2 'two files are wrong usage' "$zkprove" letter other -o c.proof
expect 2 'zero workers are wrong usage' "$zkprove" letter -o c --workers 0
expect 2 'a million workers too' "$zkprove" letter -o c --workers 1000000
expect 2 'no repetition too' "$zkprove" letter -o c --repeat 0
expect 2 'text is no number' "$zkprove" letter -o c --repeat 3x
expect 2 'an unknown allocator too' "$zkprove" letter -o c --allocator mine
expect 2 'an unknown option too' "$zkprove" letter -o c --frobnicate
expect 0 'help is no error' "$zkprove" --help
said stdout 'longest file is 14680063 bytes' 'help states the limit'

truncate -s 14680064 toolong
expect 1 'a file over the limit is refused' "$zkprove" toolong -o c.proof
said stderr 'the limit is 14680063 bytes' 'and the limit is told'
holds 'nothing was written for any of these' test ! -e c.proof -a ! -e c

expect 1 'a full disk is an error' "$zkprove" letter -o /dev/full
said stderr 'No space left' 'and named'
holds 'and leaves no digest' test ! -e /dev/full.digest
expect 1 'a missing directory is an error' "$zkprove" letter -o no/such/c.proof
mkdir d.proof f.proof.digest
expect 1 'a directory is not overwritten' "$zkprove" letter -o d.proof
said stderr 'Is a directory' 'and named'
expect 1 'nor one in the place of the digest' "$zkprove" letter -o f.proof
holds 'and then no proof is left alone' test ! -e f.proof
holds 'no partial file is left' test -z \
    "$(find . -name '*.??????' ! -name '*.digest')"

# A file system of one page, where the kernel lets us have one.
mkdir tiny
if mount -t tmpfs -o size=4k tmpfs tiny 2>/dev/null; then
    expect 1 'a full file system is an error' "$zkprove" letter -o tiny/c.proof
    said stderr 'No space left' 'and named'
    holds 'nothing is left on it' test -z "$(ls -A tiny)"
    umount tiny
fi

expect 0 'an existing proof is replaced' "$zkprove" letter -o b.proof --quiet
holds 'by the same bytes for the same file' cmp a.proof b.proof
holds 'which others may read' test -n "$(find b.proof -perm -u+r)"

for workers in 1 2 3 8; do
    expect 0 "$workers workers" "$zkprove" letter -o w.proof --quiet \
        --workers "$workers"
    holds "the same bytes for $workers workers" cmp a.proof w.proof
done
expect 0 'the system allocator' "$zkprove" letter -o s.proof --quiet \
    --allocator system
holds 'the same bytes with it' cmp a.proof s.proof

expect 0 'repetition' "$zkprove" letter -o r.proof --repeat 3 --json
holds 'the same bytes again' cmp a.proof r.proof
said stdout '"repeat": 3' 'the figures are JSON'
said stdout '"warm_median": {' 'with warm ones'
if command -v python3 >/dev/null; then
    holds 'that a parser reads' python3 -m json.tool stdout /dev/null
fi
holds 'no terminal, no progress' test ! -s stderr

# On a terminal there is a bar: coloured unless NO_COLOR says otherwise, never
# wider than the terminal, and gone in the end.
if command -v script >/dev/null; then
    on_terminal()
    {
        env "$@" script -qec "'$zkprove' letter -o t.proof" terminal >/dev/null
        tr '\r' '\n' <terminal >lines
    }
    on_terminal COLUMNS=80
    holds 'a bar on a terminal' grep -q 'proof 1/1 \[#*\.*\]  *[0-9]* % trace' lines
    holds 'in colour' grep -q $'\033\\[36m' lines
    on_terminal NO_COLOR=1 COLUMNS=30
    holds 'without, as NO_COLOR says' bash -c "! grep -q \$'\\033\\\\[36m' lines"
    holds 'a short one' bash -c \
        "sed \$'s/\\033\\\\[K//g' lines | grep 'proof 1/1' >bars && ! grep -q '.\{30\}' bars"
fi

expect 0 'an empty file is proved' "$zkprove" empty -o e.proof --quiet
expect 0 'and accepted' "$zkverify" e.proof.digest e.proof
expect 0 'a pipe can be proved' bash -c \
    "cat letter | '$zkprove' /dev/stdin -o p.proof --quiet"
holds 'like the file' cmp a.proof p.proof

if ((failures > 0)); then
    echo "cli_test: $failures failed" >&2
    exit 1
fi
echo 'cli_test: all passed'
