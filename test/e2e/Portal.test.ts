import { assert, describe } from "@effect/vitest"
import * as Effect from "effect/Effect"
import { existsSync, readFileSync } from "node:fs"
import { images, program, scenario } from "../support/Needs.ts"
import { type Place, place } from "../support/Place.ts"
import { eventually, inGuest, open } from "../support/Portal.ts"
import { keys, openTerminal, quoted } from "../support/Terminal.ts"
import { users } from "../support/Users.ts"

/** A request for `cat`, as a word in double quotes of a shell. */
const request = (call: string, detached: string) =>
  `{\\"kind\\":\\"request\\",\\"call\\":\\"${call}\\",\\"words\\":[\\"sh\\",\\"-c\\",\\"cat\\"],\\"environment\\":[],\\"directory\\":\\"/\\",\\"streams\\":[\\"pipe\\",\\"pipe\\",\\"pipe\\"],\\"terminal\\":null,\\"detached\\":${detached}}`

/** Lists what is left of calls. */
const left = "find $FIM_DIR_INSTANCE/portal/dispatcher -mindepth 2"

const isAlive = (pid: number) =>
  existsSync(`/proc/${pid}`) && !/^State:\tZ/m.test(readFileSync(`/proc/${pid}/status`, "utf8"))

describe.each(users)("as $name", (user) => {
  scenario(
    "a program of the host runs with streams, directory and exit code of its caller",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* open(user, "sh", "/bin/cat", "no-such-program")
        const script = `cd /tmp; for code in 0 1 7 126 255; do fim_portal sh -c "exit $code"; echo $?; done
        fim_portal sh -c 'kill -TERM $$'; echo $?
        echo in | fim_portal sh -c 'pwd; id -u; echo err >&2; cat; test -e ${app.image} && echo host'
        printf 'a\\0\\377\\n' | fim_portal /bin/cat | od -An -tx1
        cd /bin; mkdir -p /only-here; cd /only-here; fim_portal sh -c pwd
        fim_portal no-such-program; echo $?
        fim_portal 2>&1 | head -n 1; fim_portal 2>/dev/null; echo $?
        ${left}`
        const outcome = yield* inGuest(app, script)
        const codes = ["0", "1", "7", "126", "255", "143"]
        const said = [
          "/tmp",
          String(user.uid),
          "in",
          "host",
          " 61 00 ff 0a",
          app.home,
          "1",
          "E::No arguments for dispatcher",
          "1",
          ""
        ]
        assert.deepStrictEqual(outcome.stdout.split("\n"), [...codes, ...said])
        const missing = "no-such-program: command not found\nE::Could not start PID, program not found?\n"
        assert.strictEqual(outcome.stderr, `err\n${missing}`)
        yield* app.isClean
      })
  )

  scenario(
    "what is not allowed is refused with 126 and the command that would allow it",
    images,
    () =>
      Effect.gen(function*() {
        const closed = yield* place(user, { copy: true })
        const refused = yield* closed.run(["fim-exec", "fim_portal", "id"])
        assert.deepStrictEqual([refused.code, refused.stdout], [126, ""])
        assert.match(refused.stderr, /'id' may not be run on the host\nE::To allow it, .*: IMAGE fim-portal allow id\n/)
        yield* closed.run(["fim-portal", "allow", "id", "env"])
        assert.strictEqual((yield* closed.run(["fim-exec", "fim_portal", "id", "-u"])).stdout, `${user.uid}\n`)
        // A client that does not look at the list, or changes it, meets the host's own.
        const forged = "echo '[\"*\"]' > $FIM_DIR_INSTANCE/portal/allowed; fim_portal sh -c 'echo no'"
        const outcome = yield* inGuest(closed, forged)
        assert.deepStrictEqual([outcome.code, outcome.stdout], [126, ""])
        assert.match(outcome.stderr, /: IMAGE fim-portal allow sh/)
        // Of the guest's environment only what is harmless crosses, and whatever it says the client finds its portal.
        const crossing = yield* inGuest(
          closed,
          `env -i PATH=/evil LD_PRELOAD=/evil LANG=xx TERM=/evil FIM_DIR_INSTANCE=/evil $FIM_DIR_APP_BIN/fim_portal env`
        )
        assert.include(crossing.stdout, "LANG=xx\n")
        assert.include(crossing.stdout, `PATH=${pathOf(closed)}\n`)
        assert.notInclude(crossing.stdout, "evil")
        yield* closed.run(["fim-portal", "deny", "id"])
        assert.strictEqual((yield* closed.run(["fim-portal", "list"])).stdout, "env\n")
        yield* closed.run(["fim-portal", "clear"])
        assert.strictEqual((yield* closed.run(["fim-exec", "fim_portal", "env"])).code, 126)
        yield* closed.isClean
      })
  )

  scenario("500 calls, 50 at a time, each have their own input, output and code", images, () =>
    Effect.gen(function*() {
      const app = yield* open(user, "sh")
      const call =
        "echo in$1 | fim_portal sh -c \"cat; echo out$1; exit $(($1 % 100))\" > /tmp/o$1; echo \"$? $(cat /tmp/o$1)\" > /tmp/r$1"
      const script =
        `seq 500 | xargs -P 50 -n 1 sh -c '${call}' sh; for i in $(seq 500); do echo $i $(cat /tmp/r$i); done; ${left}`
      const outcome = yield* inGuest(app, script, { patience: 90_000 })
      const expected = Array.from({ length: 500 }, (_, index) => index + 1).map((n) => `${n} ${n % 100} in${n} out${n}`)
      assert.deepStrictEqual([outcome.stderr, outcome.stdout], ["", `${expected.join("\n")}\n`])
      yield* app.isClean
    }))

  scenario(
    "100 MiB go each way byte for byte, and a reader that goes away ends the command",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* open(user, "sh", "sha256sum", "yes")
        const lines = "seq 1 20000000 | head -c 104857600"
        const expected = (yield* app.shell(`${lines} | sha256sum`)).stdout
        const outcome = yield* inGuest(
          app,
          `${lines} | fim_portal sha256sum; fim_portal sh -c '${lines}' | sha256sum
        { fim_portal yes; echo $? >&2; } | head -n 1
        fim_portal sh -c 'exec > /dev/null; cat; echo end >&2' < /dev/null | cat; ${left}`,
          { patience: 60_000 }
        )
        assert.deepStrictEqual([outcome.stdout, outcome.stderr], [`${expected}${expected}y\n`, "141\nend\n"])
        yield* app.isClean
      })
  )

  scenario(
    "requests with an environment of 4 MiB, ten at a time",
    [...images, program("bash")],
    () =>
      Effect.gen(function*() {
        const app = yield* open(user, "echo")
        const script = `for i in $(seq 42); do export BIG$i=$(head -c 100000 /dev/zero | tr '\\0' x); done
        for i in $(seq 10); do fim_portal echo $i > /tmp/$i & done; wait; cd /tmp; echo $(ls | grep -c '^[0-9]*$') $(cat [0-9]* | sort -n)`
        const outcome = yield* app.shell(`ulimit -s unlimited && "$app" fim-exec sh -c ${quoted([script])}`, {
          patience: 60_000
        })
        assert.deepStrictEqual([outcome.stdout, outcome.stderr], ["10 1 2 3 4 5 6 7 8 9 10\n", ""])
      })
  )

  scenario(
    "a command whose caller is killed gets SIGHUP, and is killed if it stays",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* open(user, "sh")
        // The shell says that its children were hung up, to a reader that is gone.
        const stubborn =
          `exec 2> /dev/null; trap 'echo hup >> ${app.home}/hup' HUP; echo $$ > ${app.home}/pid; while :; do sleep 0.1; done`
        const running = yield* app.start([
          "fim-exec",
          "sh",
          "-c",
          `fim_portal sh -c "$0" & read line; kill -9 $!; echo killed; read line; ${left}`,
          stubborn
        ], {
          interactive: true
        })
        const pid = Number(
          yield* eventually(
            "its pid",
            () => existsSync(`${app.home}/pid`) && readFileSync(`${app.home}/pid`, "utf8").trim()
          )
        )
        assert.isTrue(isAlive(pid))
        yield* running.write("go\n")
        yield* eventually("the end of the command", () => !isAlive(pid))
        assert.strictEqual(readFileSync(`${app.home}/hup`, "utf8"), "hup\n")
        yield* running.write("end\n")
        assert.strictEqual((yield* running.outcome).stdout, "killed\n")
        yield* app.isClean
      })
  )

  scenario(
    "what an instance has started ends with it, but for what was detached",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* open(user, "sh", "setsid")
        const record = (name: string) => `echo $$ > ${app.home}/${name}; exec sleep 1000`
        const script = `fim_portal sh -c '${record("direct")}' & fim_portal setsid sh -c '${record("session")}' &
        fim_portal sh -c "(setsid sh -c '${
          record("orphan").replace("$$", "\\$\\$")
        }' &) "; fim_portal --detach sh -c '${record("detached")}'; echo $?; read line; exit 3`
        const running = yield* app.start(["fim-exec", "sh", "-c", script], { interactive: true })
        const pidOf = (name: string) =>
          Effect.map(
            eventually(
              name,
              () => existsSync(`${app.home}/${name}`) && readFileSync(`${app.home}/${name}`, "utf8").trim()
            ),
            Number
          )
        const pids = yield* Effect.forEach(["direct", "session", "orphan"], pidOf)
        const detached = yield* pidOf("detached")
        for (const pid of [...pids, detached]) assert.isTrue(isAlive(pid))
        yield* running.signal("SIGTERM")
        yield* running.exited
        for (const pid of pids) yield* eventually("its end", () => !isAlive(pid))
        assert.isTrue(isAlive(detached))
        process.kill(detached, "SIGKILL")
        yield* app.isClean
      })
  )

  scenario("when the daemon dies, callers end with 125 and say so", images, () =>
    Effect.gen(function*() {
      const app = yield* open(user, "sh")
      const script = "fim_portal sh -c 'echo $PPID; exec sleep 1000'; echo $?; fim_portal sh -c true; echo $?"
      const running = yield* app.start(["fim-exec", "sh", "-c", script])
      const server = Number((yield* running.says(/(\d+)\n/))[1])
      const daemon = Number(/^PPid:\t(\d+)/m.exec(readFileSync(`/proc/${server}/status`, "utf8"))?.[1])
      assert.match(readFileSync(`/proc/${daemon}/cmdline`, "utf8"), /portal-host/)
      process.kill(daemon, "SIGKILL")
      const outcome = yield* running.outcome
      assert.match(outcome.stdout, /\n125\n125\n$/)
      assert.match(outcome.stderr, /the portal's daemon has ended before the command\n.*nothing listens at the portal/s)
      yield* app.isClean
    }))

  scenario("a hostile guest stops nobody else, and takes no memory", images, () =>
    Effect.gen(function*() {
      const app = yield* open(user, "sh", "sleep")
      const script = `cd $FIM_DIR_INSTANCE/portal; room=dispatcher/guest; fifo=daemon/host.fifo
        knock() { printf '\\n%s\\n' "$(echo "$1")" > $fifo; }
        ok() { test "$(echo fine | fim_portal sh -c cat)" = fine && echo ok $1; }
        head -c 3000000 /dev/urandom > $fifo; ok garbage
        printf '\\n{"kind"' > $fifo; ok cut
        printf '\\n{"kind":"request"} 4000\\n' > $fifo; ok number
        mkdir $room/real; for name in control reply stdin stdout stderr; do mkfifo $room/real/$name; done
        exec 4<> $room/real/reply 5<> $room/real/control 6<> $room/real/stdin 7<> $room/real/stdout 8<> $room/real/stderr
        knock "${request("real", "false")}"; head -c 19 <&4 | tail -c 18; echo; ok real
        knock "${request("../../x", "false")}"; ok path
        mkdir $room/files; for name in control reply stdin stdout stderr; do echo text > $room/files/$name; done
        knock "${request("files", "false")}"; ok files; cat $room/files/* | sort -u
        mkdir $room/links; for name in control reply stdin stdout stderr; do ln -s $PWD/$fifo $room/links/$name; done
        knock "${request("links", "false")}"; ok links
        ln -s /etc $room/away; knock "${request("away", "false")}"; ok away
        mkdir $room/half; mkfifo $room/half/control $room/half/reply; sleep 1000 <> $room/half/control & sleep 1000 <> $room/half/reply &
        knock "${request("half", "false")}"; ok half
        for i in $(seq 40); do mkdir $room/large$i; mkfifo $room/large$i/control $room/large$i/reply
          sleep 1000 <> $room/large$i/control & sleep 1000 <> $room/large$i/reply & knock "{\\"kind\\":\\"reference\\",\\"call\\":\\"large$i\\"}"; done; ok large
        cat /dev/zero > $fifo & flood=$!; ok flood; kill $flood
        fim_portal sh -c 'cat /proc/$(sed -n "s/^PPid:[^0-9]*//p" /proc/$PPID/status)/status' | grep VmHWM
        kill $(jobs -p)`
      const outcome = yield* inGuest(app, script, { patience: 60_000 })
      const names = ["garbage", "cut", "number", "real", "path", "files", "links", "away", "half", "large", "flood"]
      const said = outcome.stdout.split("\n").filter((line) => line !== "" && !line.startsWith("VmHWM"))
      assert.deepStrictEqual(
        said,
        names.flatMap((name) =>
          name === "real"
            ? ["{\"kind\":\"started\"}", "ok real"]
            : name === "files"
            ? ["ok files", "text"]
            : [`ok ${name}`]
        ),
        outcome.stderr
      )
      const peak = Number(/VmHWM:\s+(\d+) kB/.exec(outcome.stdout)?.[1])
      assert.isBelow(peak, 64 * 1024)
      yield* app.isClean
    }))

  scenario(
    "more commands than the daemon runs at a time are refused, and the others go on",
    images,
    () =>
      Effect.gen(function*() {
        const app = yield* open(user, "sh")
        const script = `for i in $(seq 256); do fim_portal sh -c 'echo up; exec sleep 1000' < /dev/null & done
        read line; fim_portal sh -c 'echo one more'; echo $?; kill $(jobs -p); wait`
        const running = yield* app.start(["fim-exec", "sh", "-c", script], { interactive: true, patience: 60_000 })
        yield* running.says(/^(up\n){256}/)
        yield* running.write("go\n")
        const outcome = yield* running.outcome
        assert.match(outcome.stdout, /^(up\n){256}125\n$/)
        assert.match(outcome.stderr, /too many commands/)
        yield* app.isClean
      })
  )

  scenario("the guest's xdg-open, xdg-mime and notify-send are the host's", images, () =>
    Effect.gen(function*() {
      const app = yield* open(user, "xdg-open", "xdg-mime", "notify-send")
      const tool = "#!/bin/sh\necho \"${0##*/} $*\" >> $HOME/said; exit 5\n"
      const make = `mkdir bin; for name in xdg-open xdg-mime notify-send; do printf ${
        quoted([tool.replaceAll("%", "%%")])
      } > bin/$name; chmod +x bin/$name; done`
      yield* app.shell(make, { directory: app.home })
      const environment = { PATH: `${app.home}/bin:${pathOf(app)}` }
      const script =
        "xdg-mime query 'a b'; echo $?; notify-send hello; echo $?; xdg-open https://example.org; echo $?; sleep 0.3"
      const outcome = yield* inGuest(app, script, { environment })
      assert.deepStrictEqual([outcome.stdout, outcome.stderr], ["5\n5\n0\n", ""])
      const said = yield* eventually("all three", () => {
        const text = existsSync(`${app.home}/said`) ? readFileSync(`${app.home}/said`, "utf8") : ""
        return text.split("\n").length === 4 && text
      })
      assert.strictEqual(said, "xdg-mime query a b\nnotify-send hello\nxdg-open https://example.org\n")
      yield* app.isClean
    }))
})

const pathOf = (app: Place) => app.environment["PATH"] ?? ""

describe.each(users)("as $name, in a terminal", (user) => {
  scenario("a command has a terminal of its own: size, keys, ^C, and modes that come back", [
    ...images,
    program("script"),
    program("bash")
  ], () =>
    Effect.gen(function*() {
      const app = yield* open(user, "sh", "bash")
      const script =
        "stty rows 33 cols 99; stty -g; \"$app\" fim-exec fim_portal sh -c 'test -t 0 && test -t 1 && test -t 2 && tty; stty size; trap \"echo got; stty size; exit 4\" INT WINCH; echo go; while :; do sleep 0.05; done'; echo code $?; stty -g"
      const terminal = yield* openTerminal(app, `trap : INT; ${script}`)
      yield* terminal.shows(/\/dev\/pts\/\d+\s+33 99\s+go/)
      yield* terminal.write(keys.interrupt)
      const outcome = yield* terminal.outcome
      assert.match(outcome.stdout, /got\s+33 99\s+code 4/)
      const [before, after] = outcome.stdout.match(/[0-9a-f]+(?::[0-9a-f]+){10,}/g) ?? []
      assert.isDefined(before)
      assert.strictEqual(after, before)
      yield* app.isClean
    }))

  scenario("^Z stops the command and its caller, and both go on together; a shell has job control", [
    ...images,
    program("script"),
    program("bash")
  ], () =>
    Effect.gen(function*() {
      const app = yield* open(user, "sh", "bash")
      const terminal = yield* openTerminal(app, "exec \"$app\" fim-exec bash --norc -i", { PS1: "" })
      yield* terminal.write("fim_portal sh -c 'echo up; read line; echo \"line $line\"'\n")
      yield* terminal.shows(/\nup/)
      yield* terminal.write(keys.suspend)
      yield* terminal.shows(/Stopped/)
      yield* terminal.write("fg\n")
      yield* terminal.shows(/fim_portal/)
      yield* terminal.write("one\n")
      // What is typed before the shell is back would be the command's.
      yield* terminal.shows(/line one[^]*bash-[\d.]+[#$] /)
      yield* terminal.write("fim_portal bash --norc -i\nsh -c 'echo in; exec sleep 1000'\n")
      yield* terminal.shows(/\rin\r/)
      yield* terminal.write(keys.suspend)
      yield* terminal.shows(/Stopped.*exec sleep 1000/)
      yield* terminal.write("fg\n")
      yield* terminal.shows(/fg[^]*\rsh -c .*exec sleep 1000/)
      yield* terminal.write(keys.interrupt)
      yield* terminal.shows(/\^C\r\n/)
      yield* terminal.write("echo after $((40 + 2)); exit 6\n")
      yield* terminal.shows(/after 42[^]*bash-[\d.]+[#$] /)
      yield* terminal.write("echo code $?; exit\n")
      yield* terminal.shows(/code 6/)
      yield* terminal.outcome
      yield* app.isClean
    }))
})
