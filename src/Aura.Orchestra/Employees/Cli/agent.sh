# Runs one agent on a copy of the project and tells what it changed.
#   sh -c agent.sh sh WORKSPACE PROJECT SECONDS JAILED INPUT COMMAND ARGUMENT…
# The prompt comes on standard input. What the agent says goes to standard error; standard output gets one line with its exit
# code, then the patch. Without that line the run itself failed.
workspace=$1 project=$2 seconds=$3 jailed=$4 input=$5
shift 5
umask 077
fail() { printf 'aura: %s\n' "$1" >&2; exit 90; }
mkdir "$workspace/project" "$workspace/home" || fail 'the workspace cannot be written'
cp -R "$project/." "$workspace/project" || fail 'the project does not fit into the jail'
cat >"$workspace/prompt.md" || fail 'the prompt does not fit into the jail'
cd "$workspace/project" || fail 'the workspace cannot be entered'
# Nothing that the agent leaves in its home or in the tree may steer git.
plain_git() { env -i PATH="$PATH" HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_ATTR_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null git "$@"; }
tree() {
  rm -f "$workspace/base.git/index"
  plain_git --git-dir="$workspace/base.git" --work-tree="$workspace/project" \
    -c core.autocrlf=false -c core.safecrlf=false -c core.hooksPath=/dev/null -c core.fsmonitor=false -c gc.auto=0 add -A -f . >/dev/null &&
    plain_git --git-dir="$workspace/base.git" write-tree
}
plain_git init -q --bare --template= "$workspace/base.git" >&2 || fail 'git is missing'
mkdir -p "$workspace/base.git/info"
printf '* -text -ident -filter -working-tree-encoding\n' >"$workspace/base.git/info/attributes"
base=$(tree) || fail 'the project cannot be read'
export HOME="$workspace/home"
if [ "$input" = prompt ]; then input=$workspace/prompt.md; else input=/dev/null; fi
timeout -k 5 "$seconds" "$@" <"$input" >&2
code=$?
# Inside the jail these are only processes of the agent, detached ones among them.
[ "$jailed" = yes ] && kill -9 -1 2>/dev/null
find . -name .git -prune -exec rm -rf {} + 2>/dev/null
changed=$(tree) || fail 'the changes cannot be read'
printf 'agent-exit %s\n' "$code"
plain_git --git-dir="$workspace/base.git" diff-tree -r -p --binary --full-index \
  --no-renames --no-ext-diff --no-textconv --no-color "$base" "$changed"
