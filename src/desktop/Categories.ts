/** The registered categories of the Desktop Menu Specification, and the categories of an entry. Pure. */

const main = "AudioVideo Audio Video Development Education Game Graphics Network Office Science Settings System Utility"

const additional =
  "Building Debugger IDE GUIDesigner Profiling RevisionControl Translation Calendar ContactManagement " +
  "Database Dictionary Chart Email Finance FlowChart PDA ProjectManagement Presentation Spreadsheet WordProcessor " +
  "2DGraphics VectorGraphics RasterGraphics 3DGraphics Scanning OCR Photography Publishing Viewer TextTools " +
  "DesktopSettings HardwareSettings Printing PackageManager Dialup InstantMessaging Chat IRCClient Feed FileTransfer " +
  "HamRadio News P2P RemoteAccess Telephony TelephonyTools VideoConference WebBrowser WebDevelopment Midi Mixer " +
  "Sequencer Tuner TV AudioVideoEditing Player Recorder DiscBurning ActionGame AdventureGame ArcadeGame BoardGame " +
  "BlocksGame CardGame KidsGame LogicGame RolePlaying Shooter Simulation SportsGame StrategyGame Art Construction Music " +
  "Languages ArtificialIntelligence Astronomy Biology Chemistry ComputerScience DataVisualization Economy Electricity " +
  "Geography Geology Geoscience History Humanities ImageProcessing Literature Maps Math NumericalAnalysis " +
  "MedicalSoftware Physics Robotics Spirituality Sports ParallelComputing Amusement Archiving Compression Electronics " +
  "Emulator Engineering FileTools FileManager TerminalEmulator Filesystem Monitor Security Accessibility Calculator " +
  "Clock TextEditor Documentation Adult Core KDE GNOME XFCE DDE GTK Qt Motif Java ConsoleOnly"

/** The registered main and additional categories. */
export const registeredCategories: ReadonlySet<string> = new Set(`${main} ${additional}`.split(" "))

/** A registered category, or a desktop's own, which begins with `X-`. */
export const isCategory = (word: string): boolean => registeredCategories.has(word) || /^X-[A-Za-z0-9-]+$/.test(word)

/** Removes duplicates and sorts alphabetically. */
export const sortedCategories = (categories: ReadonlyArray<string>): ReadonlyArray<string> =>
  [...new Set(categories)].sort()

/**
 * The categories of an entry. A player of sound or video also needs the general category. Unknown categories are dropped.
 */
export const entryCategories = (categories: ReadonlyArray<string>): ReadonlyArray<string> => {
  const known = categories.filter(isCategory)
  return sortedCategories(known.some((word) => word === "Audio" || word === "Video") ? [...known, "AudioVideo"] : known)
}
