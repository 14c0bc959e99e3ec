/** How a handler process is told where its workload keeps data. */

/** The variable that holds the directory; the agent makes it, with mode 0700. */
export const DATA_DIR_VARIABLE = 'RMA_DATA_DIR';
