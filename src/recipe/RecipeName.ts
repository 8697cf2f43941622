/** A name that becomes a file name and the end of a URL: it cannot lead elsewhere or be an option. */
export const recipeName = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/
