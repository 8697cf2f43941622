/** Becomes the name of a file and the end of a URL: nothing that leads elsewhere or is an option. */
export const recipeName = /^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._+-]{0,63}$/
