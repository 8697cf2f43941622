/** Completion for zsh. */
import { functionName, imageRoot, type Place, slotText } from "./Places.ts"

const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

/** An entry in the form of `_describe`. */
const entry = (name: string, summary: string): string =>
  quote(`${name.replaceAll(":", String.raw`\:`)}:${summary.replaceAll("\\", "\\\\")}`)

const placeText = ({ operations, options, path, slots }: Place): string => {
  const valued = options.flatMap(({ names, value }) =>
    value === undefined ? [] : names.map((name) => `${name} ${quote(slotText(value))}`)
  )
  const parts = [
    operations.length === 0 ? "" : `operations=(${operations.map((each) => entry(each.name, each.summary)).join(" ")})`,
    `options=(${options.flatMap(({ names, summary }) => names.map((name) => entry(name, summary))).join(" ")})`,
    valued.length === 0 ? "" : `valued=(${valued.join(" ")})`,
    slots.length === 0 ? "" : `slots=(${slots.map((slot) => quote(slotText(slot))).join(" ")})`
  ]
  return `    ${quote(path)}) ${parts.filter((part) => part !== "").join(" ")} ;;`
}

/** The script for one program. `root` is the first element of the paths of its places. */
export const zsh = (program: string, root: string, source: string, places: ReadonlyArray<Place>): string => {
  const name = functionName(program)
  return String.raw`#compdef ${program}
# Completion of ${program} for zsh, printed by: ${source}

# What may stand at a place: sets operations, options, valued and slots.
${name}_place() {
  operations=() options=() valued=() slots=()
  case $1 in
${places.map(placeText).join("\n")}
  esac
}

# Offers what a slot has: its kind, then its words.
${name}_offer() {
  local kind=$1 program
  local -a found
  shift
  case $kind in
    words) compadd -- "$@" ;;
    list)
      compset -P '*,' && found=(${"${@:#*!}"}) || found=(${"${@%!}"})
      compadd -qS , -- $found
      ;;
    file | guest) _files ;;
    directory) _files -/ ;;
    host) _path_commands ;;
    instance)
      program=${"${${(Q)words[1]}/#\\~\\//$HOME/}"}
      found=(${"${(f)\"$($program fim-instance list 2> /dev/null)\"}"})
      found=(${"${${(M)found:#<->:<->}/:/:pid }"})
      _describe -V instance found
      ;;
  esac
}

${name}() {
  local place=${quote(root)} word lower data='' value='' slot
  local -i position=1 index
  local -a operations options slots
  local -A valued
  ${name}_place $place
  for ((index = 2; index < CURRENT; index++)); do
    word=${"${(Q)words[index]}"}
    lower=${"${(L)word}"}
    if [[ -n $value ]]; then
      value=''
    elif [[ -n $data ]]; then
      ((position++))
    elif [[ $word == -- ]]; then
      data=1
    elif [[ $position == 1 && -n ${"${operations[(r)${(b)lower}:*]}"} ]]; then
      place+=" $lower"
      ${name}_place $place
    elif [[ $word == -* && -n ${"${valued[$word]}"} ]]; then
      value=${"${valued[$word]}"}
    elif [[ $word == --*=* && -n ${"${valued[${word%%=*}]}"} ]]; then
      :
    elif [[ $word == -* && $#options -gt 1 && -n ${"${options[(r)${(b)word}:*]}"} ]]; then
      :
    elif [[ ${"${slots[position]}"} == image* ]]; then
      place="${imageRoot} $lower" position=1
      ${name}_place $place
    else
      ((position++))
    fi
  done
  if [[ -n $value ]]; then
    ${name}_offer ${"${=value}"}
    return
  fi
  if [[ -z $data && $PREFIX == --*=* ]]; then
    value=${"${valued[${PREFIX%%=*}]}"}
    [[ -n $value ]] && compset -P '*=' && ${name}_offer ${"${=value}"}
    return
  fi
  if [[ $PREFIX == -* && -z $data && ( $position == 1 || $#options -gt 1 ) ]]; then
    _describe -o option options
    return
  fi
  slot=${"${slots[position]}"}
  [[ -z $slot && ${"${${slots[-1]}%% *}"} == *\* ]] && slot=${"${slots[-1]}"}
  if [[ $slot == image* ]]; then
    ${name}_place ${quote(imageRoot)}
    slot='' position=1
  fi
  [[ $position == 1 && -z $data ]] && (($#operations)) && _describe command operations
  [[ -n $slot ]] && ${name}_offer ${"${=slot/\\*/}"}
}

if [[ $funcstack[1] == ${name} ]]; then
  ${name} "$@"
else
  compdef ${name} ${program}
fi`
}
