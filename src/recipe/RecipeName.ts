/** Pattern of recipe names. A name becomes a file name and the end of a URL: it cannot lead elsewhere or be an option. */
export const recipeName = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/

/** A description of valid names. */
export const recipeNameHint =
  "Names have up to 64 letters, digits and '._+-', begin with a letter or a digit, and have no '..' in them"
