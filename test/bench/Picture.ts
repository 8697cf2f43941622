import type { Measured, Results } from "./Report.ts"

const [width, left, right, row, bar] = [860, 230, 60, 22, 14]

const escape = (text: string): string =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;").replaceAll("`", "").replaceAll("**", "")

const colours = { own: "#2166ac", after: "#bdbdbd", program: "#4daf4a", floor: "#969696" }

interface Bar {
  readonly label: string
  readonly begin: number
  readonly duration: number
  readonly colour: string
}

interface Chart {
  readonly title: string
  readonly bars: ReadonlyArray<Bar>
}

/** The phases of one start, each where it happens in time. */
const waterfall = ({ caller, phases }: Measured): Chart => ({
  title: `Phases of a warm start as ${caller}, in milliseconds`,
  bars: phases.filter(({ duration }) => duration >= 0.05).map(({ begin, duration, name }) => ({
    label: name,
    begin,
    duration,
    colour: name === "after" ? colours.after : name === "sandbox" ? colours.program : colours.own
  }))
})

/** Whole starts beside their floors. */
const comparison = ({ caller, starts }: Measured): Chart => ({
  title: `Starts as ${caller}, medians in milliseconds`,
  bars: starts.map(({ ended, key, label }) => ({
    label,
    begin: 0,
    duration: ended.median,
    colour: ["warm", "joined", "version", "env"].includes(key) ? colours.own : colours.floor
  }))
})

const text = (x: number, y: number, content: string, extra = ""): string =>
  `<text x="${x.toFixed(1)}" y="${y.toFixed(1)}"${extra}>${escape(content)}</text>`

/** A round number, with about six of which one gets to `end`. */
const stepFor = (end: number): number =>
  [1, 2, 5, 10, 20, 25, 50, 100, 200, 500, 1000].find((step) => end / step <= 7) ?? 5000

/** One chart with its top at `top`: the drawing and its height. */
const draw = (
  { bars, title }: Chart,
  top: number
): { readonly drawing: ReadonlyArray<string>; readonly height: number } => {
  const end = Math.max(...bars.map(({ begin, duration }) => begin + duration), 1)
  const scale = (width - left - right) / end
  const first = top + 34
  const bottom = first + bars.length * row
  const step = stepFor(end)
  const ticks = Array.from({ length: Math.floor(end / step) + 1 }, (_, index) => index * step)
  const drawing = [
    text(16, top + 18, title, ` font-size="15" font-weight="bold"`),
    ...ticks.flatMap((tick) => {
      const x = left + tick * scale
      return [
        `<line x1="${x.toFixed(1)}" y1="${first - 4}" x2="${x.toFixed(1)}" y2="${bottom}" stroke="#e0e0e0"/>`,
        text(x, bottom + 14, String(tick), ` text-anchor="middle" fill="#606060"`)
      ]
    }),
    ...bars.flatMap(({ begin, colour, duration, label }, index) => {
      const [x, y, length] = [left + begin * scale, first + index * row, Math.max(duration * scale, 1)]
      return [
        text(left - 8, y + bar - 2, label, ` text-anchor="end"`),
        `<rect x="${x.toFixed(1)}" y="${y}" width="${length.toFixed(1)}" height="${bar}" fill="${colour}"/>`,
        text(x + length + 4, y + bar - 2, duration.toFixed(1), ` fill="#404040"`)
      ]
    })
  ]
  return { drawing, height: bottom - top + 34 }
}

/** The picture `docs/bench.svg`. */
export const picture = (results: Results): string => {
  let top = 8
  const drawings = [...results.measured.map(waterfall), ...results.measured.map(comparison)].flatMap((chart) => {
    const { drawing, height } = draw(chart, top)
    top += height
    return drawing
  })
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${top}" viewBox="0 0 ${width} ${top}"`
    + ` font-family="sans-serif" font-size="12">`,
    `<rect width="${width}" height="${top}" fill="#ffffff"/>`,
    ...drawings,
    `</svg>`,
    ""
  ].join("\n")
}
