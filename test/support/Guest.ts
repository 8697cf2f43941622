/**
 * Stands in front of scripts that change or remove files of their system: should an image ever run one on the host, the
 * shell ends there. Only a sandbox sets the variable; tests do not pass it on.
 */
export const inGuestOnly = ": \"${FIM_DIR_INSTANCE:?this is no guest}\""
