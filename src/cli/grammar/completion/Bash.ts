/** Completion for bash 4 and later. */
import { functionName, imageRoot, type Place, slotText } from "./Places.ts"

const quote = (text: string): string => `'${text.replaceAll("'", String.raw`'\''`)}'`

const names = (of: ReadonlyArray<{ readonly name: string }>): string => of.map(({ name }) => name).join(" ")

const placeText = ({ operations, options, path, slots }: Place): string => {
  const plain = options.filter(({ value }) => value === undefined).flatMap((option) => option.names)
  const valued = options.flatMap(({ names, value }) =>
    value === undefined ? [] : names.map((name) => `[${name}]=${quote(slotText(value))}`)
  )
  const parts = [
    operations.length === 0 ? "" : `operations=${quote(names(operations))}`,
    `options=${quote(plain.join(" "))}`,
    valued.length === 0 ? "" : `valued=(${valued.join(" ")})`,
    slots.length === 0 ? "" : `slots=(${slots.map((slot) => quote(slotText(slot))).join(" ")})`
  ]
  return `    ${quote(path)}) ${parts.filter((part) => part !== "").join(" ")} ;;`
}

/** The script for one program. `root` is the first element of the paths of its places. */
export const bash = (program: string, root: string, source: string, places: ReadonlyArray<Place>): string => {
  const name = functionName(program)
  return String.raw`# Completion of ${program} for bash, printed by: ${source}

# What may stand at a place: sets operations, options, valued and slots.
${name}_place() {
  operations='' options='' valued=() slots=()
  case $1 in
${places.map(placeText).join("\n")}
  esac
}

# Offers those of some words that begin as what is typed. compgen -W would expand what is typed.
${name}_match() {
  local word
  for word in "$@"; do
    [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
  done
}

# Offers what a slot has: its kind, then its words.
${name}_offer() {
  local kind=$1 before='' word index
  shift
  case $kind in
    words) ${name}_match "$@" ;;
    list)
      [[ $cur == *,* ]] && before=${"${cur%,*}"},
      for word in "$@"; do
        [[ ,$before == *,$word,* || ( $before && $word == *! ) ]] || ${name}_match "$before${"${word%!}"}"
      done
      compopt -o nospace 2> /dev/null
      ;;
    file)
      mapfile -t COMPREPLY < <(compgen -f -- "$cur")
      compopt -o filenames 2> /dev/null
      ;;
    directory)
      mapfile -t COMPREPLY < <(compgen -d -- "$cur")
      compopt -o filenames 2> /dev/null
      ;;
    host) mapfile -t COMPREPLY < <(compgen -c -- "$cur" | sort -u) ;;
    guest) compopt -o default -o bashdefault 2> /dev/null ;;
    instance)
      while IFS=: read -r index word; do
        [[ $index =~ ^[0-9]+$ ]] && ${name}_match "$index"
      done < <(${"${program/#\\~/$HOME}"} fim-instance list 2> /dev/null)
      ;;
  esac
}

${name}() {
  local program=$1 cur=${"${COMP_WORDS[COMP_CWORD]}"} place=${quote(root)} position=0 data='' index word value=''
  local operations options slots
  local -A valued
  COMPREPLY=()
  ${name}_place "$place"
  for ((index = 1; index < COMP_CWORD; index++)); do
    word=${"${COMP_WORDS[index]}"}
    # bash makes words of their own of these.
    [[ $word == [=:] ]] && continue
    if [[ $value ]]; then
      value=''
    elif [[ $data ]]; then
      ((position++))
    elif [[ $word == -- ]]; then
      data=1
    elif [[ $position == 0 && " $operations " == *" ${"${word,,}"} "* ]]; then
      place+=" ${"${word,,}"}"
      ${name}_place "$place"
    elif [[ $word == -* && ${"${valued[$word]}"} ]]; then
      value=${"${valued[$word]}"}
    elif [[ $word == -* && " $options " == *" $word "* && $options != --help ]]; then
      :
    elif [[ ${"${slots[position]}"} == image* ]]; then
      place='${imageRoot} '${"${word,,}"} position=0
      ${name}_place "$place"
    else
      ((position++))
    fi
  done
  # Behind "--dist=" the word that is completed is "=" until something follows.
  [[ $cur == = ]] && cur=''
  if [[ $value ]]; then
    ${name}_offer $value
    return
  fi
  if [[ $cur == -* && ! $data && ( $position == 0 || $options != --help || ${"${#valued[@]}"} -gt 0 ) ]]; then
    ${name}_match $options "${"${!valued[@]}"}"
    return
  fi
  local slot=${"${slots[position]}"} last=${"${slots[${#slots[@]} > 0 ? ${#slots[@]} - 1 : 0]}"}
  [[ ! $slot && ${"${last%% *}"} == *\* ]] && slot=$last
  [[ $slot == image* ]] && { ${name}_place ${quote(imageRoot)}; slot=''; position=0; }
  [[ $slot ]] && ${name}_offer ${"${slot/\\*/}"}
  if [[ $position == 0 && ! $data && $operations ]]; then
    ${name}_match $operations
  fi
}

complete -F ${name} ${program}`
}
