/** Completion for fish 3 and later. */
import { functionName, imageRoot, type Place, slotText } from "./Places.ts"

const quote = (text: string): string => `'${text.replaceAll("\\", "\\\\").replaceAll("'", "\\'")}'`

/** A value and the description beside it. */
const entry = (name: string, summary: string): string => `${quote(name)}\\t${quote(summary)}`

const placeText = ({ operations, options, path, slots }: Place): string => {
  const valued = options.flatMap(({ names, value }) =>
    value === undefined ? [] : names.map((name) => entry(name, slotText(value)))
  )
  const lines = [
    operations.length === 0
      ? ""
      : `set operations ${operations.map((each) => entry(each.name, each.summary)).join(" ")}`,
    `set options ${options.flatMap(({ names, summary }) => names.map((name) => entry(name, summary))).join(" ")}`,
    valued.length === 0 ? "" : `set valued ${valued.join(" ")}`,
    slots.length === 0 ? "" : `set slots ${slots.map((slot) => quote(slotText(slot))).join(" ")}`
  ]
  return [`        case ${quote(path)}`, ...lines.filter((line) => line !== "").map((line) => `            ${line}`)]
    .join("\n")
}

/** The script for one program. `root` is the first element of the paths of its places. */
export const fish = (program: string, root: string, source: string, places: ReadonlyArray<Place>): string => {
  const name = `_${functionName(program)}`
  return String.raw`# Completion of ${program} for fish, printed by: ${source}

# What may stand at a place: sets operations, options, valued and slots.
function ${name}_place --no-scope-shadowing
    set operations
    set options
    set valued
    set slots
    switch $place
${places.map(placeText).join("\n")}
    end
end

# Offers what a slot has: its kind, then its words.
function ${name}_offer
    set -l current (string replace -r '^--[^=]*=' '' -- (commandline -ct))
    set -l option (string match -r '^--[^=]*=' -- (commandline -ct))
    switch $argv[1]
        case words
            printf '%s\n' "$option"$argv[2..-1]
        case list
            set -l before (string match -r '.*,' -- $current)
            set -l words $argv[2..-1]
            test -n "$before"; and set words (string match -v '*!' -- $words)
            printf '%s\n' "$before"(string replace '!' '' -- $words)
        case file guest
            set -l found (__fish_complete_path "$current")
            printf '%s\n' "$option"$found
        case directory
            __fish_complete_directories "$current" ''
        case host
            complete -C "$current"
        case instance
            set -l typed (commandline -opc)
            set -l program (string replace -r '^~/' "$HOME/" -- $typed[1])
            $program fim-instance list 2>/dev/null | string replace -rf '^(\d+):(\d+)$' '$1\tpid $2'
    end
end

# The part of entries before the tabulator.
function ${name}_names
    string replace -r '\t.*' '' -- $argv
end

# The slot of an option that takes a value.
function ${name}_slot
    string replace -rf '^'(string escape --style=regex -- $argv[1])'\t' '' -- $argv[2..-1]
end

function ${name}
    set -l typed (commandline -opc)
    set -l current (commandline -ct)
    set -l place ${quote(root)}
    set -l position 1
    set -l data ''
    set -l value ''
    set -l operations
    set -l options
    set -l valued
    set -l slots
    ${name}_place
    for word in $typed[2..-1]
        set -l lower (string lower -- $word)
        set -l own (${name}_slot $word $valued)
        if test -n "$value"
            set value ''
        else if test -n "$data"
            set position (math $position + 1)
        else if test "$word" = --
            set data 1
        else if test $position = 1; and contains -- $lower (${name}_names $operations)
            set place "$place $lower"
            ${name}_place
        else if test -n "$own"
            set value $own
        else if string match -q -- '--*=*' $word; and test -n "$(${name}_slot (string replace -r '=.*' '' -- $word) $valued)"
            continue
        else if test (count $options) -gt 1; and contains -- $word (${name}_names $options)
            continue
        else if string match -q 'image*' -- "$slots[$position]"
            set place "${imageRoot} $lower"
            set position 1
            ${name}_place
        else
            set position (math $position + 1)
        end
    end
    if test -n "$value"
        ${name}_offer (string split ' ' -- $value)
        return
    end
    if test -z "$data"; and string match -q -- '--*=*' $current
        set value (${name}_slot (string replace -r '=.*' '' -- $current) $valued)
        test -n "$value"; and ${name}_offer (string split ' ' -- $value)
        return
    end
    if string match -q -- '-*' $current; and test -z "$data"; and test $position = 1 -o (count $options) -gt 1
        printf '%s\n' $options
        return
    end
    set -l slot "$slots[$position]"
    if test -z "$slot"; and string match -q '*\**' -- "$slots[-1]"
        set slot $slots[-1]
    end
    if string match -q 'image*' -- $slot
        set place ${quote(imageRoot)}
        ${name}_place
        set slot ''
        set position 1
    end
    if test $position = 1; and test -z "$data"
        printf '%s\n' $operations
    end
    if test -n "$slot"
        ${name}_offer (string split ' ' -- (string replace '*' '' -- $slot))
    end
end

complete -c ${quote(program)} -f -a '(${name})'`
}
